"""How long an edit takes, measured against the floor: the same clip decoded and encoded, no edit.

Whole runs take turns (floor, edit, edit of the analysed clip), so that a busy machine slows all of
them alike, and what is quoted are ratios of neighbours. The floor uses the same reader, encoder
settings and threads as the edit.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from operator import truediv
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .errors import UsageError
from .files import write_whole
from .imaging.poisson import clone
from .listings import Row
from .media.opening import default_ending, open_sink, open_source
from .media.threads import BackgroundWriter, prefetch
from .outputs import check_outputs
from .progress import Progress, Stopwatch, unheard
from .request import EditRequest
from .run import edit
from .targets import check_target, output_errors

T = TypeVar("T")

_FIGURES = "the file of figures"
FLOOR, WHOLE, SECOND = "floor", "edit", "edit, analysed"


@dataclass(frozen=True, slots=True)
class Timing:
    """One run over a clip."""

    wall_s: float
    cpu_s: float
    """Processor time of all threads [s]."""


@dataclass(frozen=True, slots=True)
class ClipBench:
    """What was measured on a clip; runs by name, in rounds."""

    clip: str
    frames: int
    size: tuple[int, int]
    """Width and height [px]."""
    edited_frames: int
    runs: Mapping[str, Sequence[Timing]]
    stages: Mapping[str, Sequence[float]]
    """Seconds of every time, by stage, over all whole edits."""
    peak_mb: float
    """Largest memory of the process [MB]; 0 where the system does not tell."""

    def ratio(self, run: str, *, cpu: bool = False) -> float:
        """Return the median over the rounds of a run's time over the floor's."""
        pairs = zip(self.runs[run], self.runs[FLOOR], strict=True)
        return statistics.median(
            own.cpu_s / floor.cpu_s if cpu else own.wall_s / floor.wall_s for own, floor in pairs
        )

    def rows(self) -> list[Row]:
        """Return a row per run: time per frame, frames per second, and ratios to the floor."""
        out = []
        for name, timings in self.runs.items():
            wall = statistics.median(t.wall_s for t in timings) / self.frames
            cpu = statistics.median(t.cpu_s for t in timings) / self.frames
            out.append(
                {
                    "run": name,
                    "ms/frame": f"{1e3 * wall:.1f}",
                    "cpu ms/frame": f"{1e3 * cpu:.1f}",
                    "frames/s": f"{1 / wall:.1f}",
                    "÷ floor": f"{self.ratio(name):.2f}",
                    "cpu ÷ floor": f"{self.ratio(name, cpu=True):.2f}",
                }
            )
        return out

    def stage_rows(self) -> list[Row]:
        """Return a row per stage: milliseconds per frame of the clip, median and 95th percentile
        of a single time. Stages run side by side on several threads, so they add up to more."""
        rounds = len(self.runs[WHOLE])
        out = []
        for name, seconds in self.stages.items():
            ms = 1e3 * np.asarray(seconds)
            out.append(
                {
                    "stage": name,
                    "ms/frame": f"{ms.sum() / rounds / self.frames:.2f}",
                    "median": f"{np.median(ms):.2f}",
                    "p95": f"{np.percentile(ms, 95):.2f}",
                    "times": f"{len(ms) / rounds:.0f}",
                }
            )
        return out

    def as_json(self) -> dict[str, Any]:
        """Return everything measured, and the machine it was measured on, in plain values."""
        ratios = {
            name: {"wall": self.ratio(name), "cpu": self.ratio(name, cpu=True)}
            for name in self.runs
        }
        return {
            "clip": self.clip,
            "frames": self.frames,
            "size": list(self.size),
            "edited_frames": self.edited_frames,
            "peak_mb": self.peak_mb,
            "ratios_to_floor": ratios,
            "runs": {k: [dataclasses.asdict(t) for t in v] for k, v in self.runs.items()},
            "stages": self.stage_rows(),
            "machine": machine(),
        }


def default_clip() -> Path:
    """Return the sample clip of a checkout.

    Raises:
        UsageError: there is none: an installed package holds no clips.
    """
    clip = Path(__file__).resolve().parents[1] / "samples" / "astronaut.mp4"
    if not clip.is_file():
        raise UsageError("no sample clip is installed; name one: visagist bench CLIP --attr smile")
    return clip


def bench_clip(
    request: EditRequest,
    progress: Progress,
    *,
    rounds: int = 3,
    warn: Callable[[str], None] = unheard,
) -> ClipBench:
    """Return how long floor, whole edit, and second edit of a clip take, in turns.

    `warn` hears what is odd about the video.

    Raises:
        UsageError: fewer than one round.
        VisagistError: the clip cannot be edited.
    """
    if rounds < 1:
        raise UsageError(f"--rounds {rounds} is out of range; accepted: 1 and more")
    source = open_source(request.input, request.analyze.video_stream)
    info = source.info
    for sentence in source.warnings:
        warn(sentence)
    clock = Stopwatch()
    runs: dict[str, list[Timing]] = {FLOOR: [], WHOLE: [], SECOND: []}
    frames, edited = 0, 0
    progress.start("bench", 3 * rounds)
    with TemporaryDirectory() as folder:
        target = Path(folder) / f"out{default_ending(source, request.encode)[0]}"
        for turn in range(rounds):
            own = dataclasses.replace(
                request,
                analysis_path=Path(folder) / f"{turn}.json",
                cache=Path(folder) / f"{turn}.cache",
            )
            timing, frames = _timed(partial(_floor, own, target))
            runs[FLOOR].append(timing)
            for name, watch in ((WHOLE, clock), (SECOND, Stopwatch())):
                progress.advance(1)
                timing, report = _timed(partial(edit, own, target, overwrite=True, clock=watch))
                runs[name].append(timing)
                edited = report.edited_frames
            progress.advance(1)
    progress.finish()
    return ClipBench(
        request.input.name,
        frames,
        (info.width, info.height),
        edited,
        runs,
        clock.samples(),
        peak_memory_mb(),
    )


def _floor(request: EditRequest, target: Path) -> int:
    """Decode and encode a clip as `edit` does, without an edit; return how many frames it has."""
    source = open_source(request.input, request.analyze.video_stream)
    sink = open_sink(target, source, request.encode, overwrite=True)
    count = 0
    with (
        source.frames() as reader,
        BackgroundWriter(sink) as writer,
        prefetch(reader) as frames,
    ):
        for frame in frames:
            writer.write(frame)
            count += 1
    return count


def _timed(work: Callable[[], T]) -> tuple[Timing, T]:
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return Timing(time.perf_counter() - wall, time.process_time() - cpu), result


def bench_poisson(*, rounds: int = 3, side: int = 1024, batch: int = 8) -> list[Row]:
    """Return one row: our cloning of a batch of crops against `cv2.seamlessClone`, one thread each.

    Both paste the same edited pictures of 8 bits under the same elliptical mask, a face's size in
    its crop. The edit is what an edit of a face is: another tone and light all over, other detail
    inside. Differences are between the two results inside the mask, in grey levels. OpenCV 5.0
    gives now one, now another result for the same pictures, up to 20 levels apart; the one nearer
    to ours counts.
    """
    sources, targets, mask = _edited_faces(side, batch)
    inside = torch.from_numpy(mask > 0).expand(batch, 1, side, side).contiguous()
    a, b = (torch.from_numpy(p).permute(0, 3, 1, 2).contiguous() for p in (sources, targets))
    x, y, w, h = cv2.boundingRect(mask)
    middle = (x + w // 2, y + h // 2)
    threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    ours: list[float] = []
    theirs: list[float] = []
    off: list[NDArray[np.int64]] = []
    try:
        for turn in range(rounds + 1):  # the first round warms up
            timing, found = _timed(partial(clone, a, b, inside))
            ours.append(timing.cpu_s / batch)
            # Backwards every other time: which result OpenCV gives changes from call to call.
            way = slice(None, None, -1 if turn % 2 else 1)
            timing, expected = _timed(partial(_seamless, sources[way], targets[way], mask, middle))
            theirs.append(timing.cpu_s / batch)
            here = found.permute(0, 2, 3, 1).numpy().astype(np.int64)
            off.append(np.abs(here - expected[way])[:, mask > 0])
    finally:
        torch.set_num_threads(threads[0])
        cv2.setNumThreads(threads[1])
    nearer = np.stack([min(both, key=np.mean) for both in zip(*off, strict=True)])
    return [
        {
            "crops": f"{batch} × {side}²",
            "cv2.seamlessClone": f"{1e3 * statistics.median(theirs[1:]):.1f} ms",
            "here": f"{1e3 * statistics.median(ours[1:]):.1f} ms",
            "speed-up": f"{statistics.median(map(truediv, theirs[1:], ours[1:])):.1f}",
            "mean difference": f"{nearer.mean():.3f}",
            "max difference": f"{nearer.max()}",
        }
    ]


def _seamless(
    sources: NDArray[np.uint8],
    targets: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    middle: tuple[int, int],
) -> NDArray[np.uint8]:
    done = [
        cv2.seamlessClone(s, t, mask, middle, cv2.NORMAL_CLONE)
        for s, t in zip(sources, targets, strict=True)
    ]
    return np.stack(done).astype(np.uint8)


def _edited_faces(
    side: int, batch: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Edited and unedited pictures (N, S, S, 3) and a mask (S, S) of 0 and 255."""
    mask = np.zeros((side, side), np.uint8)
    cv2.ellipse(
        mask, (side // 2, side // 2), (int(side * 0.3), int(side * 0.4)), 8, 0, 360, 255, -1
    )
    # The detail of an edit ends before its mask does.
    within = cv2.GaussianBlur(
        cv2.erode(mask, np.ones((side // 16, side // 16))).astype(np.float32), (0, 0), side / 64
    )
    noise = torch.Generator().manual_seed(0)
    target = 120 + 40 * _smooth_noise(batch, side, noise, 6)
    detail = 15 * _smooth_noise(batch, side, noise, 5) * torch.from_numpy(within / 255)[..., None]
    light = 12 + 2 * _smooth_noise(batch, side, noise, 1)
    both = [(target + detail + light), target]
    edited, plain = (p.clamp(0, 255).round().byte().numpy() for p in both)
    return edited, plain, mask


def _smooth_noise(batch: int, side: int, noise: torch.Generator, octaves: int) -> Tensor:
    """(N, S, S, 3) about -1 to 1: noise of halving size and height, as pictures have it."""
    out = torch.zeros(batch, 3, side, side)
    for octave in range(octaves):
        cells = 4 * 2**octave
        coarse = torch.rand(batch, 3, cells, cells, generator=noise) * 2 - 1
        grown = torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic")
        out += grown * 0.5**octave
    return out.permute(0, 2, 3, 1)


def peak_memory_mb() -> float:
    """Return the largest memory this process has had [MB], 0 where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    peak = float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def machine() -> dict[str, str | int]:
    """Return what a figure depends on: processor, cores, threads, versions."""
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count() or 0,
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "",
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "av", "numpy")},
        "opencv": cv2.__version__,
    }


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text(encoding="utf-8").splitlines() if facts.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def check_json(path: Path, request: EditRequest | None, *, overwrite: bool = False) -> None:
    """Refuse a file of figures that cannot be written, or that the measured run reads.

    Raises:
        OutputError: it cannot be written.
    """
    if request is None:
        check_target(path, _FIGURES, taken={}, overwrite=overwrite)
    else:
        check_outputs(request, [(path, _FIGURES)], overwrite=overwrite)


def save(measured: Mapping[str, Any], path: Path, *, overwrite: bool = True) -> None:
    """Write what was measured as JSON.

    Raises:
        OutputError: the file cannot be written, or is there and `overwrite` is off.
    """
    text = json.dumps(measured, indent=2, ensure_ascii=False) + "\n"
    with output_errors(path, _FIGURES):
        write_whole(path, text, overwrite=overwrite)
