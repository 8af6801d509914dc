"""What the runs of a request write: their names, and whether they may be written."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .artefacts import default_folder
from .config import LANDMARKERS
from .loading import weight_folders
from .matte_files import files_of
from .request import Edit, EditRequest
from .side_files import is_missing
from .targets import INPUT, check_target
from .tracking.select import FaceChoice


def default_output(video: Path, edits: tuple[Edit, ...], ending: str) -> Path:
    """Return `NAME-ATTR….EXT` beside the input."""
    names = "-".join(dict.fromkeys(edit.attribute for edit in edits))
    return video.with_name(f"{video.stem}-{names}{ending}")


def check_outputs(
    request: EditRequest, outputs: Iterable[tuple[Path, str]], *, overwrite: bool
) -> dict[Path, str]:
    """Refuse what a run cannot write, and what would replace another file of the same run.

    Each comes with what it is, e.g. `the report`; a new analysis file that the request names is one
    too. Returned is what the run reads and writes, as `targets.check_target` takes it.

    Raises:
        OutputError: one of them cannot be written.
    """
    taken = _files_read(request)
    analysis = request.analysis_path
    if analysis is not None:
        if is_missing(analysis):
            check_target(analysis, "the analysis file", taken=taken)
        taken[analysis] = "the analysis file of this run"
    for path, what in outputs:
        check_target(path, what, taken=taken, overwrite=overwrite)
        taken[path] = f"{what} of this run"
    return taken


def _files_read(request: EditRequest) -> dict[Path, str]:
    """Return the files and folders a run reads, and what each is to it."""
    files = {request.input: INPUT, **weight_folders()}
    if request.analyze.landmarks not in LANDMARKERS:
        files[Path(request.analyze.landmarks)] = "the landmark file of this run"
    if (picture := FaceChoice.parse(request.render.faces).picture) is not None:
        files[picture] = "the reference picture of this run"
    if request.exemplar is not None:
        files[request.exemplar.path] = "the exemplar of this run"
    for matte in (*request.holdout, *request.only):
        files |= dict.fromkeys(files_of(matte), "a matte of this run")
    files[request.cache or default_folder()] = "in the cache of prepared faces"
    return files | dict.fromkeys(request.presets, "the preset of this run")
