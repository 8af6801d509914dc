"""The names that notebooks are written with stay; one leaves on purpose only, with a line in the
CHANGELOG."""

from __future__ import annotations

import inspect

import pytest

import pipeline
from pipeline import Clip, EditedCrop, FaceCrop

NAMES = """
AnalyzeOptions Clip Codes Edit EditRequest EditedCrop EncodeOptions Exemplar FaceCrop Plan
RenderOptions Report Session VisagistError analyze_to_file between edit inspect load_codes open_clip
open_session preview preview_worst save_codes side_by_side
"""

CALLS = {
    "open_clip": "video pack= transfer= faces= analysis= device=",
    "between": "first second share",
    "save_codes": "path codes overwrite=",
    "load_codes": "path device=",
    "Clip": "session",
    "Clip.frame": "self number",
    "Clip.edited": "self number *attributes",
    "Clip.faces": "self number",
    "Clip.invert": "self face",
    "Clip.codes": "self face",
    "Clip.share": "self face attribute",
    "Clip.move": "self codes attribute strength",
    "Clip.draw": "self codes",
    "Clip.render": "self face before after attributes",
    "Clip.blend": "self number edited",
    "Clip.write": "self output change overwrite=",
    "FaceCrop.edited": "self image mask",
    "Codes": "w state",
}
"""What is given by its place, and, with =, what by its name only."""

HELD = {
    Clip: "attributes frame_count times",
    FaceCrop: "batch crop_to_frame frame image landmarks name track",
    EditedCrop: "batch image mask",
}


def test_the_public_names_are_these() -> None:
    assert sorted(pipeline.__all__) == sorted(NAMES.split())
    for name in pipeline.__all__:
        assert getattr(pipeline, name).__name__ == name


def shown(parameter: inspect.Parameter) -> str:
    if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
        return f"{parameter.name}="
    return str(parameter).split(":")[0]


@pytest.mark.parametrize("name", CALLS)
def test_they_are_called_so(name: str) -> None:
    found: object = pipeline
    for part in name.split("."):
        found = getattr(found, part)
    assert callable(found)
    assert " ".join(map(shown, inspect.signature(found).parameters.values())) == CALLS[name]


@pytest.mark.parametrize("kind", HELD, ids=lambda kind: kind.__name__)
def test_they_hold_these_and_no_others(kind: type) -> None:
    called = {name.split(".")[1] for name in CALLS if name.startswith(f"{kind.__name__}.")}
    public = {name for name in dir(kind) if not name.startswith("_")}
    assert public - called == set(HELD[kind].split())
