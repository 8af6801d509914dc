"""What a frame costs: `python -m tests.scale.frames CLIP [--size 3840x2160] [--codec libx265]`.

Two copies of the clip's beginning, a short one and a long one, are edited: what they differ by is
the cost of the frames between. With `--store`, also the bytes that a batch keeps of the long one,
by kind of unit. Linux only.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import av

from pipeline.batch.store import UnitStore
from pipeline.console import show
from tests.scale.cost import cost_of


def written(
    clip: Path, target: Path, frames: int, size: tuple[int, int], codec: str, pixels: str
) -> None:
    """Write the first frames of a clip, of another size and codec."""
    with av.open(str(clip)) as source, av.open(str(target), "w") as made:
        video = source.streams.video[0]
        stream = made.add_stream(codec, rate=video.average_rate)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = pixels
        stream.options = {"preset": "fast", "crf": "18"}
        for number, frame in enumerate(source.decode(video)):
            if number == frames:
                break
            scaled = frame.reformat(*size, format=pixels, interpolation="BICUBIC")
            made.mux(stream.encode(scaled))
        made.mux(stream.encode())


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("clip", type=Path)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--codec", default="libx264")
    parser.add_argument("--pixels", default="yuv420p")
    parser.add_argument("--frames", type=int, nargs=2, default=(30, 150))
    parser.add_argument("--store", action="store_true")
    options = parser.parse_args(arguments)
    width, height = map(int, options.size.split("x"))
    costs = []
    with TemporaryDirectory() as name:
        for frames in options.frames:
            clip, out = Path(name) / f"{frames}.mp4", Path(name) / f"{frames}.out.mp4"
            written(options.clip, clip, frames, (width, height), options.codec, options.pixels)
            command = [sys.executable, "-m", "pipeline", "edit", str(clip), "--attr", "smile"]
            costs.append(cost_of([*command, "--quiet", "--threads", "1", "-o", str(out)]))
            if costs[-1].exit_code:
                return costs[-1].exit_code
        short, long = costs
        count = options.frames[1] - options.frames[0]
        each = {
            name: (getattr(long, name) - getattr(short, name)) / count
            for name in ("processor_s", "read_mb", "written_mb")
        }
        sizes = [path.stat().st_size / options.frames[1] / 1e6 for path in (clip, out)]
        show(
            f"{options.size} {options.codec}: {each['processor_s']:.3f} s of processor a frame, "
            f"{short.processor_s:.1f} s for the first {options.frames[0]}; read "
            f"{each['read_mb']:.3f} MB, written {each['written_mb']:.3f} MB a frame; memory "
            f"{short.peak_mb:.0f} and {long.peak_mb:.0f} MB; a frame has {sizes[0]:.3f} MB in the "
            f"clip, {sizes[1]:.3f} in the output"
        )
        if options.store:
            return _show_store(clip, options.frames[1])
    return 0


def _show_store(clip: Path, frames: int) -> int:
    """Deliver a clip by a batch, and show what its units hold and what that moved."""
    manifest = clip.with_name("reel.toml")
    shot = f'[[shot]]\nname = "a"\ninput = "{clip.name}"\nattr = "smile"\n'
    manifest.write_text(f'version = 1\noutput = "a{{ext}}"\nchunk = 48\n{shot}')
    command = [sys.executable, "-m", "pipeline", "run", str(manifest), "--on", "here", "--quiet"]
    cost = cost_of([*command, "--threads", "1"])
    store, sizes, files = UnitStore(clip.with_name("reel.work")), Counter[str](), Counter[str]()
    for kind, key in store.all():
        for path in store.path(kind, key).rglob("*"):
            sizes[kind] += path.stat().st_size
            files[kind] += 1
    told = [f"{kind} {sizes[kind] / 1e3:.0f} kB in {files[kind]} files" for kind in sorted(sizes)]
    show(
        f"as a batch of {frames} frames: {cost.processor_s:.1f} s of processor, read "
        f"{cost.read_mb:.1f} MB, written {cost.written_mb:.1f} MB; kept: {', '.join(told)}"
    )
    return cost.exit_code


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
