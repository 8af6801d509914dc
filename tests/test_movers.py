"""Movers of all kinds: with every pack, in a row, on some rows of the code only."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import models.base
from models.directions.__main__ import main as directions
from models.packs.layers import codes_of, shape_of
from models.packs.packfile import read_pack_file, write_pack_file
from models.packs.store import Store
from models.portrait import LOOK_LENGTH
from models.stylegan2 import layouts
from models.weights import load_safetensors
from pipeline.cli import main
from pipeline.editors import Pack
from pipeline.editors._levels import reached
from pipeline.editors.latent import LatentOptions
from pipeline.edits import Catalogue, check_offered, resolve_edits
from pipeline.errors import UsageError, WeightsError
from pipeline.loading import load_pack
from pipeline.report import levels_reached
from pipeline.request import Edit, EditRequest
from pipeline.session import open_session
from tests.conftest import FaceClip
from tests.style_pack import write_tiny_pack

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISAGIST_HOME", str(tmp_path / "home"))


def add_components(base: str, folder: Path, count: int = 12) -> None:
    """Fit principal components of made codes of a pack of the program, and add them to it."""
    w = np.random.default_rng(0).standard_normal((60, *shape_of(base))).astype(np.float32)
    np.savez(folder / "codes.npz", w=w, names=np.array([str(n) for n in range(60)]))
    out = str(folder / "components.safetensors")
    told = ["--codes", str(folder / "codes.npz"), "--count", str(count), "--out", out]
    assert directions(["fit-pca", *told, "--generator", codes_of(base)]) == 0
    assert main(["models", "import", out, "--as", base]) == 0


@pytest.fixture(scope="module")
def mini() -> Pack:
    """The pack as it ships; what is added lies in the store of one test."""
    return load_pack("mini", CPU)


@pytest.fixture(scope="module")
def portrait() -> Pack:
    return load_pack("portrait", CPU)


def edits_of(pack: Pack, *attributes: str, **more: object) -> tuple[Edit, ...]:
    request = EditRequest(Path("a.mp4"), attributes, **more)  # type: ignore[arg-type]
    catalogue = Catalogue(pack)
    edits = resolve_edits(request, catalogue)
    check_offered(catalogue.drawn(edits), catalogue)
    return edits


def moved(pack: Pack, w: Tensor, edits: tuple[Edit, ...]) -> Tensor:
    for edit in edits:
        assert isinstance(edit.strength, float)
        strength = w.new_full((len(w),), edit.strength)
        w = LatentOptions.of(edit).mover_of(pack, edit.attribute)(w, strength)
    return w


def test_kinds_are_chained_and_a_component_moves_its_rows_alone(
    face_clip: FaceClip, tmp_path: Path
) -> None:
    add_components("mini", tmp_path)
    pack, w = load_pack("mini", CPU), torch.randn(2, *shape_of("mini"))
    both = edits_of(pack, "smile=1", "pca:3=2@rows=2-5")
    assert [dict(edit.options) for edit in both] == [{}, {"mover": "pca", "rows": "2-5"}]
    smiling, after = moved(pack, w, both[:1]), moved(pack, w, both)
    rows = (after != smiling).any(2).any(0)
    assert rows.nonzero().flatten().tolist() == [2, 3, 4, 5]
    report = tmp_path / "report.json"
    typed = ["edit", str(face_clip.path), "-o", str(tmp_path / "out.mp4"), "--frames", "0-1"]
    typed += ["--pack", "mini", "--attr", "smile=1", "--attr", "pca:3=2@rows=2-5"]
    typed += ["--analysis", str(face_clip.analysis), "--report", str(report)]
    assert main(typed) == 0
    asked = json.loads(report.read_text(encoding="utf-8"))["options"]["attributes"]
    assert [edit["attribute"] for edit in asked] == ["smile", "pca-3"]
    assert asked[1]["options"] == {"mover": "pca", "rows": "2-5"}


def test_components_of_the_portraits_codes_can_be_added(tmp_path: Path) -> None:
    add_components("portrait", tmp_path)
    pack = load_pack("portrait", CPU)
    code = torch.randn(1, 1, shape_of("portrait")[1] + LOOK_LENGTH)
    after = moved(pack, code, edits_of(pack, "smile=1", "pca:11=2"))
    assert (after != moved(pack, code, edits_of(pack, "smile=1"))).any()


@pytest.mark.parametrize("base", ["mini", "portrait"])
def test_a_ready_direction_is_added_by_one_command_and_needs_no_kind(
    base: str, tmp_path: Path
) -> None:
    vector = np.random.default_rng(0).standard_normal((1, shape_of(base)[1])).astype(np.float32)
    np.save(tmp_path / "grin.npy", vector)
    assert main(["models", "import", str(tmp_path / "grin.npy"), "--as", base]) == 0
    pack = load_pack(base, CPU)
    (edit,) = edits_of(pack, "grin=2")
    assert dict(edit.options) == {"mover": "direction"}
    rows, width = shape_of(base)
    w = torch.randn(2, rows, width + (LOOK_LENGTH if base == "portrait" else 0))
    step = (moved(pack, w, (edit,)) - w)[..., :width]
    assert torch.allclose(step, torch.from_numpy(2 * vector).expand_as(step), atol=1e-5)


def test_a_pack_with_a_kind_that_is_not_here_works_but_for_it(tmp_path: Path) -> None:
    folder = write_tiny_pack(Store(tmp_path / "home").packs / "tiny")
    facts = read_pack_file(folder)
    other = replace(facts.movers[0], editor="flow", attribute="grin")
    write_pack_file(replace(facts, movers=(*facts.movers, other)), folder)
    pack = load_pack("tiny", CPU)
    assert edits_of(pack, "smile=1")
    with pytest.raises(
        WeightsError, match="nothing here makes movers of the kind 'flow'; there are"
    ):
        edits_of(pack, "grin=1")


@pytest.mark.parametrize("base", ["mini", "portrait"])
def test_every_component_of_a_file_has_a_number_though_ten_are_listed(
    base: str, tmp_path: Path
) -> None:
    add_components(base, tmp_path)
    pack = load_pack(base, CPU)
    assert "pca-11" not in [attribute.name for attribute in pack.attributes]
    assert edits_of(pack, "pca:11=2")[0].attribute == "pca-11"
    with pytest.raises(UsageError, match="no component 12; there are 0 to 11"):
        edits_of(pack, "pca:12=2")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("pac:3=1", "unknown kind of mover 'pac'; did you mean 'pca'"),
        ("direction:smile=1@rows=9-30", "have rows 0 to 11; 9-30 are not among them"),
        ("smooth-skin=1@rows=2", "no edit of latent codes"),
        ("direction:smooth-skin=1", "no edit of latent codes"),
        ("pca:3=1", "unknown attribute 'pca-3'"),
        ("smile=1@rows=5-2", "try @rows=2-5"),
    ],
)
def test_what_cannot_be_moved_so_is_refused(mini: Pack, text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        edits_of(mini, text)


def test_directions_of_the_generator_need_no_file_and_change_its_styles_most(
    mini: Pack, portrait: Pack
) -> None:
    """Of all steps of length 1 through its layers' modulations (SeFa), in their order."""
    shape = shape_of("mini")
    state, _ = load_safetensors(Path(models.base.__file__).parent / "mini/generator.safetensors")
    plain = {key: value.float() for key, value in state.items() if key != "latent_avg"}
    net = layouts.build(layouts.completed(plain))
    layers = zip(net.styled_layers(), net.style_rows(), strict=True)
    rows = torch.cat([layer.conv.modulation.weight.detach() for layer, row in layers if row < 4])
    rows = rows / rows.norm(dim=1, keepdim=True)
    w = torch.zeros(1, *shape)
    steps = torch.stack(
        [moved(mini, w, edits_of(mini, f"sefa:{n}=1@rows=0-3"))[0, 0] for n in (0, 1)]
    )
    assert torch.allclose(steps @ steps.T, torch.eye(2), atol=1e-5)
    torch.manual_seed(0)
    others = torch.randn(200, shape[1])
    others = others / others.norm(dim=1, keepdim=True)
    first, second = (rows @ steps.T).norm(dim=0)
    assert first >= second > (rows @ others.T).norm(dim=0).max()
    with pytest.raises(UsageError, match="no direction 128; there are 0 to 127"):
        edits_of(mini, "sefa:128=1")
    with pytest.raises(UsageError, match="unknown attribute 'sefa-0'"):
        edits_of(portrait, "sefa:0=1")


@pytest.mark.parametrize("level", [0.2, 0.8])
@pytest.mark.parametrize("kind", ["latent-transformer", "direction"])
@pytest.mark.parametrize("base", ["mini", "portrait"])
def test_each_face_is_moved_until_the_classifier_says_the_level(
    base: str, kind: str, level: float, request: pytest.FixtureRequest
) -> None:
    pack: Pack = request.getfixturevalue(base)
    (edit,) = edits_of(pack, f"{kind}:smile->{level}")
    read = pack.reader("smile")
    torch.manual_seed(0)
    found = []
    for w in usual_code(base) + 0.1 * torch.randn(3, *usual_code(base).shape):
        code = w[None]
        move = LatentOptions.of(edit).mover_of(pack, edit.attribute)
        got = reached(level, code, move, read, (-3.0, 3.0))
        assert got.before == pytest.approx(float(read(code)))
        assert got.after == pytest.approx(float(read(move(code, torch.tensor([got.strength])))))
        assert got.is_short == (abs(got.after - level) > 0.02)
        if got.is_short:
            assert abs(got.strength) == 3 or base == "portrait"
        found.append(got)
    assert len({got.strength for got in found}) > 1, "each face has its own strength"
    assert any(not got.is_short for got in found)


def usual_code(base: str) -> Tensor:
    """A code near the middle of a pack's: its mean, or zero for whitened ones."""
    rows, width = shape_of(base)
    if base == "portrait":
        return torch.zeros(rows, width + LOOK_LENGTH)
    state, _ = load_safetensors(Path(models.base.__file__).parent / "mini/encoder.safetensors")
    return state["latent_avg"].float()


def test_a_face_is_moved_to_a_level_by_one_strength_for_its_whole_shot(
    face_clip: FaceClip, tmp_path: Path
) -> None:
    request = EditRequest(face_clip.path, ("smile->0.6",), analysis_path=face_clip.analysis)
    session = open_session(request)
    ((track, levels),) = levels_reached(session).items()
    said = levels["smile"]
    assert said.after == pytest.approx(0.6, abs=0.02)
    same = replace(request, attributes=(f"smile={said.strength!r}",))
    for level, strength in zip(
        session.render(session.plan), open_session(same).render(session.plan), strict=True
    ):
        pairs = zip(level.frame.planes, strength.frame.planes, strict=True)
        assert all(np.abs(a.astype(int) - b).max() <= 1 for a, b in pairs)
    assert track == session.plan.tracks[0].track_id


def test_a_level_out_of_reach_is_said_in_the_report(face_clip: FaceClip, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    typed = ["edit", str(face_clip.path), "-o", str(tmp_path / "out.mp4"), "--frames", "0-1"]
    typed += ["--analysis", str(face_clip.analysis), "--report", str(report)]
    assert main([*typed, "--attr", "gender->0.999"]) == 0
    written = json.loads(report.read_text(encoding="utf-8"))
    found = written["tracks"][0]["levels"]["gender"]
    assert found["level"] == 0.999
    assert found["after"] < 0.98
    assert any(sentence.startswith("gender->0.999: the face") for sentence in written["warnings"])


@pytest.mark.parametrize(
    ("base", "text", "words"),
    [
        ("portrait", "toothy-smile->0.8", "does not read 'toothy-smile'"),
        ("portrait", "age->0.8", "is not changed by its code alone"),
        ("mini", "smooth-skin->0.8", "is not changed by its code alone"),
        ("mini", "smile->8", "no number between 0 and 1"),
    ],
)
def test_a_level_that_nobody_reads_is_refused(
    base: str, text: str, words: str, request: pytest.FixtureRequest
) -> None:
    with pytest.raises(UsageError, match=words):
        edits_of(request.getfixturevalue(base), text)


def test_the_portrait_has_one_row(portrait: Pack) -> None:
    edits_of(portrait, "smile=1@rows=0")
    with pytest.raises(UsageError, match="have one row, 0; 2-5 are not among them"):
        edits_of(portrait, "smile=1@rows=2-5")


def test_a_kind_that_is_typed_is_stronger_than_the_option(mini: Pack) -> None:
    options = {"settings": ("latent.mover=direction",)}
    edits = edits_of(mini, "pca:smile=1", "age=1", **options)
    assert [dict(edit.options)["mover"] for edit in edits] == ["pca", "direction"]


@pytest.mark.parametrize("kind", ["latent-transformer", "direction", "pca"])
def test_rows_that_are_asked_for_stand_in_for_those_of_the_pack(mini: Pack, kind: str) -> None:
    w = torch.randn(2, *shape_of("mini"))
    after = moved(mini, w, edits_of(mini, f"{kind}:smile=1@rows=8-11"))
    assert (after != w).any(2).any(0).nonzero().flatten().tolist() == [8, 9, 10, 11]
