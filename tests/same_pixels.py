"""Does another version draw the same? `python -m tests.same_pixels CHECKOUT [CLIP …]`.

Renders edits of the sample, of two made-up clips and of any other clips named, with the code of
this checkout and of the other one, losslessly, and compares every decoded frame byte for byte. To
be run after a change that is not meant to move a pixel. (Crops in batches of several may differ by
rounding from run to run, so every crop is edited alone.)
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import av

from tests.conftest import write_clip
from tests.pipeline.moving import NOWHERE, SAMPLE, Place, Portrait, clip

HERE = Path(__file__).resolve().parents[1]

EDITS = {
    "smile": "--attr smile",
    "two latent edits": "--attr smile=1.5 --attr age=-1",
    "image edit": "--attr smooth-skin=1.5",
    "latent, image, latent": "--attr smile --attr smooth-skin --attr age=1",
    "direction": "--attr smile --editor direction",
    "bare": "--attr smile --no-occlusion --blend alpha",
    "mini": "--attr smile --pack mini",
    "mini, replace": "--attr smile --pack mini --transfer replace",
    "mini, direction": "--attr age=2 --attr smile --pack mini --editor direction",
}


def made_clips(folder: Path) -> list[Path]:
    """Return a clip in which a face comes and goes, and one with a cut between two people."""
    one = Portrait.of_the_sample()
    two = one.other()
    paths = [folder / "comes-and-goes.mp4", folder / "cut.mp4"]
    path = [Place(120 + 4 * t, 150, 70, turn_deg=t / 2) for t in range(16)]
    size = (400, 300)
    write_clip(paths[0], clip(one, [*path[:6], *[NOWHERE] * 20, *path[6:]], size))
    write_clip(paths[1], [*clip(one, path[:8], size), *clip(two, path[8:], size, seed=1)])
    return paths


def frames_of(path: Path) -> list[str]:
    """Return the SHA-256 of every decoded frame."""
    with av.open(str(path)) as container:
        return [
            hashlib.sha256(b"".join(bytes(plane) for plane in frame.planes)).hexdigest()
            for frame in container.decode(video=0)
        ]


def rendered(checkout: Path, video: Path, options: str, output: Path) -> list[str]:
    """Return the frames of an edit as the code of a checkout makes it."""
    edit = [sys.executable, "-m", "pipeline", "edit", str(video), "-o", str(output), "--quiet"]
    subprocess.run(
        [*edit, "--overwrite", "--codec", "ffv1", *options.split()],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"},
        check=True,
    )
    return frames_of(output)


def main() -> int:
    """Compare, say what differs, and return how many edits do."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("clips", type=Path, nargs="*")
    options = parser.parse_args()
    different = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = [SAMPLE, *made_clips(folder), *(path.resolve() for path in options.clips)]
        for video in clips:
            for title, flags in EDITS.items():
                old = rendered(options.checkout.resolve(), video, flags, folder / "old.mkv")
                new = rendered(HERE, video, flags, folder / "new.mkv")
                untouched = sum(a == b for a, b in zip(old, new, strict=False))
                same = old == new
                different += not same
                state = "same" if same else f"DIFFERENT in {len(old) - untouched}"
                print(f"{video.name}: {title}: {state} of {len(old)} frames", flush=True)
    return different


if __name__ == "__main__":
    sys.exit(main())
