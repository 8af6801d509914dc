"""The whole way to an attribute of your own: `python samples/whole_route.py FACES --out FOLDER`.

FACES holds aligned faces as `images/ID.jpg`, their ratings in `attribute_means.csv` (a column
`stimulus` with the ID, then one per rating), and for the curve their mesh points and level pictures
(`models/mini/CARD.md` says how they lie). The faces become codes of `mini`; a classifier and a
latent transformer are trained on codes and ratings; the transformer is added to `mini`, in a store
of its own under FOLDER; a clip is edited with it; a curve shows what else it changes. `mini` knows
no `weight` by itself: that is what is added here.

The commands are printed as one would type them. The curve needs a recogniser of faces: the extra
`identity`, or `--arcface FILE`; `--no-curve` leaves it out.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run from a checkout

from models.curves.attribute_curves import main as curves
from models.encoder_recipe.__main__ import main as encoders
from models.latent_transformer.__main__ import main as movers
from pipeline.cli import main as visagist

COMMANDS = {
    "models.curves": curves,
    "models.encoder_recipe": encoders,
    "models.latent_transformer": movers,
    "pipeline": visagist,
}
"""What `python -m` runs, by its name."""

PACK, RATING, NAME = "mini", "weight", "weight"
# As `mini` itself was made: a thousand codes are few.
CLASSIFIER = "--hidden 128,64 --epochs 24 --lr 1e-3 --noise 0.5 --weight-decay 1e-3"
TRANSFORMER = "--start direction --epochs 6 --lr 3e-4"


def main(arguments: list[str] | None = None) -> None:
    """Go the whole way and say how long each step took."""
    options = _options(arguments)
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    os.environ["VISAGIST_HOME"] = str(out / "store")  # the user's own stays as it is
    began = time.perf_counter()
    for module, command in _steps(options, out):
        _run(module, shlex.split(command))
    print(f"all of it: {time.perf_counter() - began:.0f} s; see {out}")


def _steps(options: argparse.Namespace, out: Path) -> list[tuple[str, str]]:
    """Return the commands in their order: of which module, and what is typed behind it."""
    faces, data = shlex.quote(str(options.faces)), shlex.quote(str(out))
    video = shlex.quote(str(options.video))
    given = f"--codes {data}/codes.npz --labels {faces}/attribute_means.csv"
    encode = f"encode --pack {PACK} --data {faces}/images --out {data}/codes.npz"
    classify = f"train-classifier {given} --out {data}/classifier.safetensors {CLASSIFIER}"
    train = (
        f"train {given} --classifier {data}/classifier.safetensors --attr {RATING} --name {NAME} "
        f"--generator {PACK} {TRANSFORMER} --out {data}/{NAME}.safetensors"
    )
    add = f"models import {data}/{NAME}.safetensors --as {PACK}"
    edit = (
        f"edit {video} --pack {PACK} --attr {NAME}={options.strength} -o {data}/{NAME}.mp4 "
        f"--report {data}/report.json --overwrite --quiet"
    )
    steps = [
        ("models.encoder_recipe", encode),
        ("models.latent_transformer", classify),
        ("models.latent_transformer", train),
        ("pipeline", add),
        ("pipeline", edit),
    ]
    if not options.no_curve:
        judge = f" --arcface {shlex.quote(str(options.arcface))}" if options.arcface else ""
        curve = f"--pack {PACK} --data {faces} --attr {NAME} --out {data}/curve.png{judge}"
        steps.append(("models.curves", f"{curve} --faces {options.judged}"))
    return steps


def _run(module: str, command: list[str]) -> None:
    """Run one command in this process, which has loaded torch already.

    Raises:
        SystemExit: with its exit code, if it fails.
    """
    print(f"\n$ python -m {module} {shlex.join(command)}", flush=True)
    start = time.perf_counter()
    if code := COMMANDS[module](command):
        raise SystemExit(code)
    print(f"  ({time.perf_counter() - start:.1f} s)", flush=True)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("faces", type=Path, help="folder of rated faces")
    parser.add_argument("--out", type=Path, required=True, help="folder for all that is made")
    parser.add_argument("--video", type=Path, default=Path(__file__).parent / "astronaut.mp4")
    parser.add_argument("--strength", type=float, default=2.0)
    parser.add_argument("--judged", type=int, default=24, help="pictures for the curve")
    parser.add_argument("--arcface", type=Path, help="judge identity by this model_ir_se50.pth")
    parser.add_argument("--no-curve", action="store_true")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
