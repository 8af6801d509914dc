"""Many real shots, some unusable: `python -m tests.pipeline.batch.many_shots --shots 200`.

Pieces of the sample clip, ten frames each, are delivered by one run; five shots cannot be, each for
another reason, and are named. Two are mended, and the same command makes those alone. Prints what
it took, and exits 1 if anything else was made, or was not.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import numpy as np

from pipeline.batch.store import UnitStore
from pipeline.console import show
from tests.conftest import Pictures, write_clip
from tests.pipeline.batch.fakes import ROOT

FRAMES = 10
UNITS = 4
"""Of a shot: analysis, codes, one chunk, the target."""
HEAD = """version = 1
work = "work"
output = "out/{shot}{ext}"
[defaults]
attr = "smile=0.8"
"""


@dataclass(frozen=True)
class Bad:
    """A way in which a shot is unusable, and what is said of it."""

    name: str
    keys: str
    words: str


BAD = (
    Bad("no-video", 'input = "no-video.mp4"', "no-video.mp4"),
    Bad("lost", 'input = "lost.mp4"', "lost.mp4"),
    Bad("too-long", f'input = "0.mp4"\nframes = "4-{FRAMES}"', f"there are 0 to {FRAMES - 1}"),
    Bad("nobody", 'input = "nobody.mp4"', "no face could be edited in"),
    Bad("third-face", 'input = "1.mp4"\nfaces = "2"', "no shot has that many faces"),
)
MENDED = BAD[:2]


def pictures(size: int) -> Pictures:
    with av.open(str(ROOT / "samples" / "astronaut.mp4")) as container:
        frames = container.decode(video=0)
        small = (f.reformat(size, size, interpolation="AREA") for f in frames)
        return [np.asarray(f.to_ndarray(format="rgb24"), np.uint8) for f in small]


def prepared(folder: Path, shots: int, size: int) -> Path:
    """Write the clips and the manifest; no two clips have the same pictures."""
    clip = pictures(size)
    good = shots - len(BAD)
    for number in range(good):
        at = number % (len(clip) - FRAMES)
        dim = number // (len(clip) - FRAMES)  # a level darker every time round
        piece = [picture - np.minimum(picture, dim) for picture in clip[at : at + FRAMES]]
        write_clip(folder / f"{number}.mp4", piece)
    (folder / "no-video.mp4").write_bytes(b"no video at all")
    noise = np.random.default_rng(5).integers(60, 200, (FRAMES, size, size, 3)).astype(np.uint8)
    write_clip(folder / "nobody.mp4", list(noise))
    manifest = folder / "reel.toml"
    manifest.write_text(HEAD + "\n".join(_shots(good)))
    return manifest


def _shots(good: int) -> Iterator[str]:
    """Yield the shots, the unusable ones spread among the others."""
    every = good // len(BAD)
    for number in range(good):
        yield f'[[shot]]\nname = "sh{number:03}"\ninput = "{number}.mp4"'
        if number % every == every // 2 and number // every < len(BAD):
            bad = BAD[number // every]
            yield f'[[shot]]\nname = "{bad.name}"\n{bad.keys}'


def run(manifest: Path, processes: int) -> tuple[int, Mapping[str, Any], str]:
    """Run the batch; return its exit code, its report, and what it said."""
    begin, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "pipeline", "run", str(manifest)]
    command += ["--on", f"processes:{processes}", "--threads", "1"]
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    report: dict[str, Any] = json.loads((manifest.parent / "work" / "report.json").read_bytes())
    made = sum(shot["made"] for shot in report["shots"])
    show(
        f"exit {done.returncode}: {report['counts']}, {made} units made, "
        f"{time.monotonic() - begin:.0f} s, {spent:.0f} s of processor"
    )
    return done.returncode, report, done.stderr


def check_first(report: Mapping[str, Any], code: int, said: str, good: int) -> None:
    """Check that all but the unusable shots are delivered, and these are named with their cause."""
    failed = {shot["shot"]: shot for shot in report["shots"] if shot["state"] != "done"}
    assert code == 8, said
    assert report["counts"] == {"done": good, "failed": len(BAD)}, report["counts"]
    assert set(failed) == {bad.name for bad in BAD}
    for bad in BAD:
        shot = failed[bad.name]
        assert bad.words in shot["words"], shot
        assert f"{bad.name} failed" in said
        show(f"  {bad.name} (exit code {shot['exit_code']}): {shot['words']}")


def mend(folder: Path) -> None:
    """Give two of the unusable shots clips that can be used."""
    clip = pictures(160)
    for number, bad in enumerate(MENDED):
        write_clip(folder / f"{bad.name}.mp4", [p[:, ::-1] for p in clip[number : number + FRAMES]])


def check_mended(folder: Path, processes: int, good: int) -> None:
    """Check that mending two has their units made, and not one of another shot."""
    store, manifest = UnitStore(folder / "work"), folder / "reel.toml"
    before = dict.fromkeys(store.all())
    targets = {path.name: path.stat().st_mtime_ns for path in (folder / "out").iterdir()}
    assert len(targets) == good
    mend(folder)
    code, report, said = run(manifest, processes)
    made = {shot["shot"]: shot["made"] for shot in report["shots"] if shot["made"]}
    assert code == 8, said
    assert report["counts"] == {"done": good + len(MENDED), "failed": len(BAD) - len(MENDED)}
    assert made == {bad.name: UNITS for bad in MENDED}, made
    assert len([unit for unit in store.all() if unit not in before]) == UNITS * len(MENDED)
    now = {path.name: path.stat().st_mtime_ns for path in (folder / "out").iterdir()}
    assert {name: now[name] for name in targets} == targets
    show(f"  new: {', '.join(made)}")


def storm(folder: Path, shots: int, size: int, processes: int) -> None:
    """Do all of it in a folder."""
    good = shots - len(BAD)
    code, report, said = run(prepared(folder, shots, size), processes)
    check_first(report, code, said, good)
    check_mended(folder, processes, good)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--shots", type=int, default=200)
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args(arguments)
    with TemporaryDirectory() as name:
        try:
            storm(Path(name), options.shots, options.size, options.processes)
        except AssertionError as e:
            show(f"wrong: {e}")
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
