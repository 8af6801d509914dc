"""From typed attributes to edits."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from models.base import PackError
from models.packs.store import checked_pack_name
from pipeline.config import OWN_PACKS, AnalyzeOptions, EncodeOptions, RenderOptions, load_preset
from pipeline.editors import FACE, Attribute, discover
from pipeline.edits import Catalogue, cautions, resolve_edits
from pipeline.errors import UsageError
from pipeline.request import Edit, EditRequest, Exemplar

PACK: Any = SimpleNamespace(
    name="test",
    attributes=(Attribute("smile", "smiles", aliases=("smiling", "Happy")), Attribute("age", "")),
    model=object(),
    settings={},
    kinds_of=lambda name: ("latent-transformer",),
    numbered=lambda kind, number: Attribute(f"{kind}-{number}", "") if kind == "pca" else None,
)


@dataclass(frozen=True)
class Case:
    text: str
    edit: Edit


CASES = [
    Case("smile", Edit("smile", 0.7)),
    Case("smile=1.5", Edit("smile", 1.5)),
    Case("Smiling=-1", Edit("smile", -1.0)),
    Case("happy", Edit("smile", 0.7)),
    Case("smooth_skin=0", Edit("smooth-skin", 0.0)),
]


def resolved(*texts: str, **more: Any) -> list[Edit]:
    """The edits of some texts, without the options that each has by default."""
    edits = resolve_edits(EditRequest(Path("a.mp4"), texts, **more), Catalogue(PACK))
    return [replace(edit, options=()) for edit in edits]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.text)
def test_a_text_becomes_an_edit(case: Case) -> None:
    assert resolved(case.text, strength=0.7) == [case.edit]


def test_the_order_of_edits_is_kept() -> None:
    edits = resolved("age=-1", "smile")
    assert [e.attribute for e in edits] == ["age", "smile"]


def test_what_moves_the_places_others_look_for_is_applied_last() -> None:
    catalogue = Catalogue(PACK)
    edits = resolve_edits(EditRequest(Path("a.mp4"), ("turn", "smile", "glasses")), catalogue)
    assert [e.attribute for e in edits] == ["turn", "smile", "glasses"]
    assert [e.attribute for e in catalogue.drawn(edits)] == ["smile", "glasses", "turn"]


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
        resolved(text)


def test_options_of_editors_are_read_by_their_types_and_refused_with_the_cure() -> None:
    request = EditRequest(Path("a.mp4"), ("smile",), settings=("latent.mover=pca",))
    assert resolve_edits(request, Catalogue(PACK))[0].options == (("mover", "pca"),)
    for text, words in (
        ("latent.mover=pac", "did you mean 'pca'"),
        ("latent.movr=pca", "did you mean 'mover'"),
        ("mover=pca", "is not EDITOR.NAME=VALUE"),
        ("latnt.mover=pca", "editors: exemplar, glasses, hair-colour, latent"),
    ):
        with pytest.raises(UsageError, match=words):
            resolved("smile", settings=(text,))


def test_an_exemplar_that_nothing_takes_is_refused() -> None:
    with pytest.raises(UsageError, match="no edit asked for takes one"):
        resolved("smile", exemplar=Exemplar(Path("a.png")))


@pytest.mark.parametrize(
    ("text", "exemplar"),
    [
        ("a.png", Exemplar(Path("a.png"))),
        ("b.mp4@12", Exemplar(Path("b.mp4"), 12)),
        ("b.mp4@0:1", Exemplar(Path("b.mp4"), 0, 1)),
    ],
)
def test_an_exemplar_is_a_file_or_a_face_in_a_frame_of_one(text: str, exemplar: Exemplar) -> None:
    assert Exemplar.parse(text) == exemplar
    with pytest.raises(UsageError, match="is neither a file nor"):
        Exemplar.parse("b.mp4@first")


def test_a_pack_of_the_program_is_not_told_to_import_what_it_cannot_take() -> None:
    gender = Attribute("gender", "", regions=FACE | {"hair"})
    for name in OWN_PACKS:
        with pytest.raises(PackError, match="is the name of a pack of the program"):
            checked_pack_name(name)
    told = {}
    for name in (*OWN_PACKS, "own"):
        pack: Any = SimpleNamespace(name=name, attributes=(gender,), regions=FACE, settings={})
        (told[name],) = cautions([Edit("gender", 1.0)], pack)
    assert [name for name, text in told.items() if "models import" in text] == ["own"]
    assert all(text.startswith("gender also changes hair") for text in told.values())


def test_every_editor_of_the_folder_is_found() -> None:
    assert {"latent", "retouch"} <= set(discover())


def test_a_preset_with_an_unknown_setting_is_refused(tmp_path: Any) -> None:
    path = tmp_path / "a.toml"
    path.write_text('blnd = "poisson"')
    with pytest.raises(UsageError, match="unknown setting 'blnd'"):
        load_preset(path)


def test_every_preset_that_ships_can_be_used() -> None:
    presets = sorted((Path(__file__).parents[2] / "configs").glob("*.toml"))
    assert presets
    for path in presets:
        settings = load_preset(path)
        left = settings.keys() - {"attr", "strength"}
        for options in (AnalyzeOptions, RenderOptions, EncodeOptions):
            own = left & {field.name for field in fields(options)}
            made = options(**{name: settings[name] for name in own})
            assert {name: getattr(made, name) for name in own} == {n: settings[n] for n in own}
            left -= own
        assert not left, f"{path.name} sets {left}, which no options hold"


def test_options_refuse_values_that_mean_nothing() -> None:
    with pytest.raises(UsageError, match="accepted: poisson, alpha, none"):
        RenderOptions(blend="posson")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="batch_size 0 is out of range"):
        RenderOptions(batch_size=0)
