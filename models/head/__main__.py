"""Make the embedded head from the ICT Face Model Light."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..training.command import run_command
from .files import DEFAULT_FILE, save_head
from .ict import EXPRESSIONS, read_ict
from .lighter import chosen, lighter
from .places import find_places, read_faces

_NOTICE = "MIT; ICT Face Model Light, Copyright (c) 2020 USC Institute for Creative Technologies"


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}", description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder of ict_face_light.npz and its LICENSE"
    )
    parser.add_argument(
        "--places",
        type=Path,
        help="folder of images_landmarks478.npz: say on which vertices the 68 points lie, and stop",
    )
    parser.add_argument("--vertices", type=int, default=2300, help="about so many")
    parser.add_argument("--modes", type=int, default=40, help="of identity")
    parser.add_argument("--out", type=Path, default=DEFAULT_FILE, help="safetensors file to write")
    options = parser.parse_args(arguments)
    return run_command(lambda: _make(options))


def _make(options: argparse.Namespace) -> dict[str, object]:
    whole = read_ict(options.data / "ict_face_light.npz")
    if options.places:
        slim = chosen(whole, whole.faces.numpy(), options.modes, EXPRESSIONS)
        return {"places": find_places(slim, read_faces(options.places)).tolist()}
    head = lighter(whole, vertices=options.vertices, modes=options.modes, expressions=EXPRESSIONS)
    save_head(head, options.out, notes={"licence": _NOTICE})
    return {
        "head": str(options.out),
        "vertices": len(head.neutral),
        "triangles": len(head.faces),
        "bytes": options.out.stat().st_size,
    }


if __name__ == "__main__":
    sys.exit(main())
