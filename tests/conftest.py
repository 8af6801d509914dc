"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pipeline.cli import main
from tests.skips import is_refused

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with real faces and reference outputs; they are not part of the project."""
    if not SHARED.is_dir():
        pytest.skip("the folder `shared` with real faces and goldens is not beside the checkout")
    return SHARED


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Count a skipped test as failed where `VISAGIST_NO_SKIPS=1` says that nothing is lacking."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        no_skips = os.environ.get("VISAGIST_NO_SKIPS") == "1"
        reason = str(report.longrepr)
        if is_refused(reason, no_skips=no_skips, has_shared=SHARED.is_dir()):
            report.outcome, report.longrepr = "failed", f"skipped, and must not be: {reason}"
    return report


Pictures = list[NDArray[np.uint8]]


@pytest.fixture(scope="session", autouse=True)
def _store_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the user of this machine imported, and what was prepared before, play no part."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VISAGIST_HOME", str(tmp_path_factory.mktemp("home") / "visagist"))
        patch.setenv("VISAGIST_CACHE", str(tmp_path_factory.mktemp("cache") / "visagist"))
        yield


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Small pictures are quicker on one thread, and busy machines stay usable."""
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def astronaut() -> Pictures:
    """First ten frames of the sample clip, shrunk: (240, 240, 3) uint8 RGB."""
    with av.open(str(Path(__file__).parents[1] / "samples" / "astronaut.mp4")) as container:
        frames = [f for f, _ in zip(container.decode(video=0), range(10), strict=False)]
    small = [f.reformat(240, 240, interpolation="AREA") for f in frames]
    return [np.asarray(f.to_ndarray(format="rgb24"), np.uint8) for f in small]


def write_clip(
    path: Path, pictures: Pictures, *, rate: int = 25, sound: bool = False, codec: str = "libx264"
) -> Path:
    """Write pictures (and a tone) as a video, with PyAV alone."""
    index_first = {"movflags": "faststart"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", container_options=index_first) as container:
        # Without that x264 makes another file now and then, see `encoders._particulars`.
        same = {"x264-params": "cpu-independent=1"}
        options = {"crf": "16", "threads": "1", **same} if codec == "libx264" else {}
        video = container.add_stream(codec, rate, options=options)
        assert isinstance(video, av.VideoStream)
        video.height, video.width = pictures[0].shape[:2]
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", 48_000, layout="mono") if sound else None
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, rate)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio is not None:
            for start in range(0, 48_000 * len(pictures) // rate, 1024):
                tone = np.sin(np.arange(start, start + 1024) * 0.03)[None].astype(np.float32)
                block = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
                block.sample_rate, block.pts = 48_000, start
                container.mux(audio.encode(block))
            container.mux(audio.encode(None))
    return path


@pytest.fixture(scope="session")
def clip_of() -> Callable[..., Path]:
    """Return the function that writes pictures as a video."""
    return write_clip


@dataclass(frozen=True)
class FaceClip:
    """A short clip of a face, and the analysis of it."""

    path: Path
    analysis: Path


@pytest.fixture(scope="session")
def face_clip(tmp_path_factory: pytest.TempPathFactory, astronaut: Pictures) -> FaceClip:
    """Ten frames of a face with sound, analyzed once for all tests."""
    from pipeline import analyze_to_file

    folder = tmp_path_factory.mktemp("face")
    path = write_clip(folder / "face.mp4", astronaut, sound=True)
    return FaceClip(path, analyze_to_file(path, folder / "face.faces.json")[0])


@pytest.fixture(scope="session")
def empty_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six frames of noise, nobody in them."""
    noise = np.random.default_rng(5).integers(60, 200, (6, 120, 160, 3)).astype(np.uint8)
    return write_clip(tmp_path_factory.mktemp("empty") / "empty.mp4", list(noise))


@dataclass
class Desk:
    """A folder with a clip of a face; remembers what lay there."""

    folder: Path
    clip: Path
    analysis: Path
    capture: pytest.CaptureFixture[str]

    def listing(self) -> dict[str, bytes]:
        return {
            p.relative_to(self.folder).as_posix(): p.read_bytes()
            for p in sorted(self.folder.rglob("*"))
            if p.is_file()
        }

    def refused(self, code: int, *arguments: object) -> str:
        """Run, expect an exit code, one error line and an unchanged folder; return the line."""
        before = self.listing()
        assert main([str(a) for a in arguments]) == code
        shown = self.capture.readouterr()
        assert shown.out == ""
        errors = [line for line in shown.err.splitlines() if line.startswith("visagist: error: ")]
        assert len(errors) == 1, shown.err
        assert "Traceback" not in shown.err
        assert self.listing() == before, "inputs changed or files were left"
        return errors[0]

    def edit_refused(self, code: int, *more: object) -> str:
        """Expect `edit` of the clip to be refused; the output would be out.mp4."""
        attr = [] if "--attr" in more else ["--attr", "smile"]
        output = [] if "-o" in more else ["-o", self.folder / "out.mp4"]
        return self.refused(code, "edit", self.clip, *output, *attr, *more)


@pytest.fixture
def desk(face_clip: FaceClip, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(face_clip.path.read_bytes())
    analysis = tmp_path / "clip.faces.json"
    analysis.write_bytes(face_clip.analysis.read_bytes())
    return Desk(tmp_path, clip, analysis, capsys)
