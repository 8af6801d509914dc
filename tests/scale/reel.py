"""A large batch that is done: `python -m tests.scale.reel --shots 1000 --chunks 97`.

Makes a manifest of so many shots and a store of all their units, with the true keys and small files
instead of pictures, and measures what it costs to list them and to find that nothing is missing,
by the commands themselves. Exits 1 if listing 100,000 units would take more than 5 s of processor.
Linux only.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.batch.delivery import JOIN, Targets
from pipeline.batch.manifest import Reel, read_manifest
from pipeline.batch.program import Program
from pipeline.batch.shots import ANALYSIS, RENDER, Desk, ShotCourse
from pipeline.batch.sources import Sources
from pipeline.batch.store import UnitStore
from pipeline.batch.units import Unit
from pipeline.console import show
from tests.scale.cost import ROOT, Cost, cost_of

MOST_S = 5.0
"""Of processor, to list as many units as here:"""
UNITS = 100_000
HEAD = """version = 1
output = "out/{shot}{ext}"
[defaults]
chunk = 1
frames = "0-%d"
[table]
file = "shots.csv"
"""


def written_reel(folder: Path, shots: int, chunks: int, inputs: int) -> Path:
    """Write a manifest and its table; its clips are the sample clip under many names."""
    clip = folder / "clip.mp4"
    shutil.copy(ROOT / "samples" / "astronaut.mp4", clip)
    for number in range(inputs):
        os.link(clip, folder / f"clip{number:05}.mp4")
    rows = [
        f"sh{number:05},clip{number % inputs:05}.mp4,smile={number / 10_000:.4f}"
        for number in range(shots)
    ]
    (folder / "shots.csv").write_text("\n".join(["name,input,attr", *rows, ""]))
    (folder / "reel.toml").write_text(HEAD % (chunks - 1))
    return folder / "reel.toml"


def fill(reel: Reel, frames: int) -> int:
    """Keep all units of a reel and deliver its targets; return how many units there are."""
    store = UnitStore(reel.work, durable=False)
    sources = Sources(store)
    desk = Desk(reel, store, Targets(store), sources, Program(sources))
    count = 0
    for shot in reel.shots:
        for stage in ShotCourse(shot, desk).stages():
            count += len(stage)
            for unit in stage:
                if not desk.targets.has(unit.kind, unit.key):
                    _keep(desk, unit, frames)
    return count


def _keep(desk: Desk, unit: Unit, frames: int) -> None:
    if unit.kind == JOIN:
        with desk.store.scratch() as scratch:
            (scratch / "made").write_bytes(unit.shot.encode())
            desk.targets.deliver(unit.key, scratch / "made", {"frames": frames, "edited": frames})
        return
    with desk.store.making(unit.kind, unit.key) as (folder, facts):
        (folder / "facts.json").write_text("{}")
        if unit.kind == RENDER:
            (folder / "segment.nut").write_bytes(b"0" * 1000)
        if unit.kind == ANALYSIS:
            facts.update(frames=frames)


def command(manifest: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "pipeline", "run", str(manifest), *more]


def _told(what: str, cost: Cost) -> None:
    figures = f"{cost.processor_s:.1f} s of processor, {cost.seconds:.1f} s, {cost.peak_mb:.0f} MB"
    show(f"{what}: {figures}, {cost.read_mb:.0f} MB read")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--shots", type=int, default=1000)
    parser.add_argument("--chunks", type=int, default=97)
    parser.add_argument("--inputs", type=int, default=1000)
    parser.add_argument("--folder", type=Path, help="keep it here, and find it here again")
    options = parser.parse_args(arguments)
    with TemporaryDirectory() as name:
        folder = options.folder or Path(name)
        if not (folder / "reel.toml").exists():
            folder.mkdir(exist_ok=True)
            written_reel(folder, options.shots, options.chunks, options.inputs)
        manifest, begin = folder / "reel.toml", time.process_time()
        units = fill(read_manifest(manifest), options.chunks)
        show(f"{units} units of {options.shots} shots, {time.process_time() - begin:.1f} s to fill")
        listing = cost_of(command(manifest, "--list"))
        kept = sum(line.split()[2:3] == ["kept"] for line in listing.output.splitlines())
        _told(f"--list, {kept} kept", listing)
        again = cost_of(command(manifest, "--on", "here", "--quiet"))
        _told(f"run, exit code {again.exit_code}, nothing missing", again)
        one = cost_of(command(manifest, "--shot", "sh00000", "--unit", "3"))
        _told("run --shot --unit of one that is kept", one)
    is_quick = listing.processor_s <= MOST_S * max(1.0, units / UNITS)
    return 0 if kept == units and again.exit_code == 0 and is_quick else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
