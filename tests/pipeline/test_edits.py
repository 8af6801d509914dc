"""From typed attributes to edits."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from models.base import PackError
from models.packs.store import checked_pack_name
from pipeline.config import OWN_PACKS, AttributeEdit, RenderOptions, load_preset
from pipeline.editors import Attribute, discover
from pipeline.editors._base import FACE
from pipeline.edits import cautions, chain_of, resolve_edits
from pipeline.errors import UsageError
from pipeline.stages.edit import ImageStep, LatentStep

PACK: Any = SimpleNamespace(
    name="test",
    attributes=(Attribute("smile", "smiles", aliases=("smiling", "Happy")), Attribute("age", "")),
    model=object(),
)


@dataclass(frozen=True)
class Case:
    text: str
    edit: AttributeEdit


CASES = [
    Case("smile", AttributeEdit("smile", 0.7)),
    Case("smile=1.5", AttributeEdit("smile", 1.5)),
    Case("Smiling=-1", AttributeEdit("smile", -1.0)),
    Case("happy", AttributeEdit("smile", 0.7)),
    Case("smooth_skin=0", AttributeEdit("smooth-skin", 0.0)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.text)
def test_a_text_becomes_an_edit(case: Case) -> None:
    assert resolve_edits([case.text], 0.7, PACK) == (case.edit,)


def test_the_order_of_edits_is_kept() -> None:
    edits = resolve_edits(["age=-1", "smile"], 1.0, PACK)
    assert [e.attribute for e in edits] == ["age", "smile"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("smlie", "did you mean 'smile'"),
        ("zzz", "accepted: smile, age"),
        ("smile=much", "is not a number"),
        ("smile=4", "out of range"),
        ("smile=nan", "out of range"),
    ],
)
def test_a_bad_text_is_refused_with_the_cure(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        resolve_edits([text], 1.0, PACK)


def test_latent_edits_in_a_row_are_rendered_once_and_zero_strength_is_dropped() -> None:
    edits = resolve_edits(["smile", "age=0", "age=1", "smooth-skin", "smile"], 1.0, PACK)
    steps = chain_of(edits, PACK, "direction", {}, device=torch.device("cpu"))._steps
    assert [type(s) for s in steps] == [LatentStep, ImageStep, LatentStep]
    assert isinstance(steps[0], LatentStep)
    assert steps[0].edits == (("smile", 1.0), ("age", 1.0))


def test_a_pack_of_the_program_is_not_told_to_import_what_it_cannot_take() -> None:
    gender = Attribute("gender", "", regions=FACE | {"hair"})
    for name in OWN_PACKS:
        with pytest.raises(PackError, match="is the name of a pack of the program"):
            checked_pack_name(name)
    told = {}
    for name in (*OWN_PACKS, "own"):
        pack: Any = SimpleNamespace(name=name, attributes=(gender,), regions=FACE)
        (told[name],) = cautions([AttributeEdit("gender", 1.0)], pack)
    assert [name for name, text in told.items() if "models import" in text] == ["own"]
    assert all(text.startswith("gender also changes hair") for text in told.values())


def test_every_editor_of_the_folder_is_found() -> None:
    assert {"direction", "latent-transformer", "smooth-skin"} <= set(discover())


def test_a_preset_with_an_unknown_setting_is_refused(tmp_path: Any) -> None:
    path = tmp_path / "a.toml"
    path.write_text('blnd = "poisson"')
    with pytest.raises(UsageError, match="unknown setting 'blnd'"):
        load_preset(path)


def test_every_preset_that_ships_can_be_used() -> None:
    from pathlib import Path

    presets = sorted((Path(__file__).parents[2] / "configs").glob("*.toml"))
    assert presets
    for path in presets:
        settings = load_preset(path)
        known = RenderOptions.__slots__
        RenderOptions(**{k: v for k, v in settings.items() if k in known})


def test_options_refuse_values_that_mean_nothing() -> None:
    with pytest.raises(UsageError, match="accepted: poisson, alpha, none"):
        RenderOptions(blend="posson")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="batch_size 0 is out of range"):
        RenderOptions(batch_size=0)
