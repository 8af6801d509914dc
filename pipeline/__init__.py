"""visagist: edit the face of a real person in a real video.

The Python API, a handful of names (the command line uses the same ones):

    from pipeline import EditRequest, edit          # `visagist.pipeline` once installed
    report = edit(EditRequest(Path("shot.mp4"), ("smile=0.8",)), Path("out.mp4"))
    print(report.edited_frames)

They are imported when first used, so that `--help` does not wait for torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .arrays.clip import Clip, open_clip
    from .arrays.codes import between, load_codes, save_codes
    from .arrays.crops import EditedCrop, FaceCrop
    from .compare import side_by_side
    from .config import AnalyzeOptions, EncodeOptions, RenderOptions
    from .contact_sheet import preview, preview_worst
    from .editors import Codes
    from .errors import VisagistError
    from .inspection import inspect
    from .plan import Plan
    from .report import Report
    from .request import Edit, EditRequest, Exemplar
    from .run import analyze_to_file, edit
    from .session import Session, open_session

__all__ = [
    "AnalyzeOptions",
    "Clip",
    "Codes",
    "Edit",
    "EditRequest",
    "EditedCrop",
    "EncodeOptions",
    "Exemplar",
    "FaceCrop",
    "Plan",
    "RenderOptions",
    "Report",
    "Session",
    "VisagistError",
    "analyze_to_file",
    "between",
    "edit",
    "inspect",
    "load_codes",
    "open_clip",
    "open_session",
    "preview",
    "preview_worst",
    "save_codes",
    "side_by_side",
]

_HOMES = {
    "arrays.clip": "Clip open_clip",
    "arrays.codes": "between load_codes save_codes",
    "arrays.crops": "EditedCrop FaceCrop",
    "compare": "side_by_side",
    "config": "AnalyzeOptions EncodeOptions RenderOptions",
    "editors": "Codes",
    "errors": "VisagistError",
    "contact_sheet": "preview preview_worst",
    "inspection": "inspect",
    "report": "Report",
    "request": "Edit EditRequest Exemplar",
    "run": "analyze_to_file edit",
    "session": "Plan Session open_session",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
