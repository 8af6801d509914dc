"""Edit a clip from Python: `python samples/edit_from_python.py [VIDEO [OUTPUT]]`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run from a checkout

from pipeline import EditRequest, RenderOptions, edit

HERE = Path(__file__).parent


def main(arguments: list[str]) -> None:
    """Make the person in a clip smile and say what happened."""
    video = Path(arguments[0]) if arguments else HERE / "astronaut.mp4"
    output = Path(arguments[1]) if len(arguments) > 1 else Path("astronaut-smile.mp4")
    request = EditRequest(video, ("smile=1",), render=RenderOptions(faces="largest"))
    report = edit(request, output, overwrite=True)
    print(f"{report.edited_frames} of {len(report.frames)} frames edited: {output}")


if __name__ == "__main__":
    main(sys.argv[1:])
