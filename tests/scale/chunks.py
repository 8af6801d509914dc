"""A clip in pieces against the clip as a whole: `python -m tests.scale.chunks CLIP [--rounds 3]`.

Whole, `edit --chunk N`, and `run` on two processes take turns on two cores, so that a busy machine
slows all of them alike; told are medians of their ratios: time, processor time, bytes. Linux only.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.console import show
from tests.scale.cost import cost_of

MANIFEST = """version = 1
output = "run{ext}"
[[shot]]
name = "a"
input = "%s"
attr = "smile"
chunk = %d
"""


def commands(clip: Path, folder: Path, chunk: int, rest: Sequence[str]) -> dict[str, list[str]]:
    """Return what is compared: each writes its file into the folder."""
    manifest = folder / "reel.toml"
    manifest.write_text(MANIFEST % (clip, chunk))
    program = [sys.executable, "-m", "pipeline"]
    edit = [*program, "edit", str(clip), "--attr", "smile", "--quiet", *rest]
    return {
        "whole": [*edit, "-o", str(folder / "whole.mp4")],
        "chunk": [*edit, "-o", str(folder / "chunk.mp4"), "--chunk", str(chunk)],
        "run": [*program, "run", str(manifest), "--on", "processes:2", "--quiet"],
    }


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("clip", type=Path)
    parser.add_argument("--chunk", type=int, default=240)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--without-run", action="store_true")
    options, rest = parser.parse_known_args(arguments)
    taken: dict[str, list[tuple[float, float, int]]] = {}
    for _ in range(options.rounds):
        with TemporaryDirectory() as name:
            for what, command in commands(
                options.clip.absolute(), Path(name), options.chunk, rest
            ).items():
                if what == "run" and options.without_run:
                    continue
                cost = cost_of(command, cores=(0, 1))
                if cost.exit_code:
                    return cost.exit_code
                size = (Path(name) / f"{what}{options.clip.suffix}").stat().st_size
                taken.setdefault(what, []).append((cost.seconds, cost.processor_s, size))
                show(f"{what}: {cost.seconds:.1f} s, {cost.processor_s:.1f} s of processor")
    for what, figures in taken.items():
        ratios = [
            statistics.median(
                one[k] / whole[k] for one, whole in zip(figures, taken["whole"], strict=True)
            )
            for k in range(3)
        ]
        show(
            f"{what} ÷ whole: time {ratios[0]:.2f}, processor {ratios[1]:.2f}, "
            f"bytes {ratios[2]:.3f}"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
