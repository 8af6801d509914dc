"""The editors of CONTRIBUTING.md, written into folders of their own as it says, work."""

from __future__ import annotations

import importlib
import json
import re
import runpy
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import models
import models.movers
import pipeline.editors
from models.movers.files import MoverFacts, save_mover
from models.packs.layers import codes_of, shape_of
from models.packs.packfile import read_pack_file, write_pack_file
from models.packs.store import Store
from pipeline.cli import main
from pipeline.errors import InputError
from pipeline.progress import Moment, Progress
from pipeline.request import EditRequest, Exemplar
from pipeline.run import edit
from pipeline.session import open_session
from tests import style_pack
from tests.conftest import FaceClip, Pictures

PAGE = Path(__file__).parents[1] / "CONTRIBUTING.md"
FILE = re.compile(r"`((?:pipeline|models)/[\w/]+\.py)`:\n\n```python\n(.*?)```", re.DOTALL)


@pytest.fixture(scope="module", autouse=True)
def _written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """All files of the page, where the program looks for its own."""
    root = tmp_path_factory.mktemp("tutorial")
    files = FILE.findall(PAGE.read_text(encoding="utf-8"))
    assert len(files) == 6
    for name, text in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        for package in (models, models.movers, pipeline.editors):
            folder = package.__name__.replace(".", "/")
            patch.setattr(package, "__path__", [*package.__path__, str(root / folder)])
        importlib.invalidate_caches()
        runpy.run_module("models.complexion", run_name="__main__")
        yield
    for name in set(sys.modules) - before:
        if name.rpartition(".")[2] in ("complexion", "sharpen", "mlp") or ".complexion." in name:
            del sys.modules[name]
    for package in (models, models.movers, pipeline.editors):
        for name in ("complexion", "sharpen", "mlp"):
            vars(package).pop(name, None)


@pytest.fixture
def request_of_a_tone(face_clip: FaceClip, astronaut: Pictures, tmp_path: Path) -> EditRequest:
    """The face is to be as red as in a picture of it that was made redder."""
    redder = np.clip(astronaut[0] * np.array([1.3, 0.8, 0.8]), 0, 255).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "red.png"), redder[..., ::-1])
    return EditRequest(
        face_clip.path,
        ("complexion",),
        exemplar=Exemplar(tmp_path / "red.png"),
        analysis_path=face_clip.analysis,
        cache=tmp_path / "cache",
    )


def stopping(after: int) -> Progress:
    """Progress that ends the run after some steps of the optimisation."""

    def watch(moment: Moment) -> None:
        if moment.stage == "prepare" and moment.total == 200 and moment.frames >= after:
            raise KeyboardInterrupt

    return Progress(watch)


def test_an_editor_of_one_file_edits(face_clip: FaceClip, tmp_path: Path) -> None:
    request = EditRequest(face_clip.path, ("sharpness",), analysis_path=face_clip.analysis)
    assert edit(request, tmp_path / "out.mp4").edited_frames == 10


def test_what_is_prepared_shows_is_kept_and_belongs_to_its_exemplar(
    request_of_a_tone: EditRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = open_session(request_of_a_tone)
    with session.frames(session.plan) as reading:
        (before, *_) = frames = list(reading)
    red = frames[0].planes[2]
    (result, *_) = session.render(session.plan, frames)
    points = session.plan.tracks[0].landmarks[0]
    x, y = (int(v) // 2 for v in points[30])
    assert result.frame.planes[2][y, x] > red[y, x] + 4, "the nose is redder (chroma V)"
    assert (result.frame.planes[0][:8] == before.planes[0][:8]).all()
    # Again, with another strength: nothing is prepared.
    kind = type(session.editor("complexion"))
    monkeypatch.setattr(kind, "prepare", lambda *_: pytest.fail("prepared again"))
    assert open_session(request_of_a_tone).plan.artefacts == session.plan.artefacts


def test_an_exemplar_that_cannot_be_used_is_refused_before_the_clip_is_looked_at(
    request_of_a_tone: EditRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("pipeline.session.analyze", lambda *_, **__: pytest.fail("analyzed"))
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((240, 240, 3), 128, np.uint8))
    for name, words in (("none.png", "cannot read the exemplar"), ("grey.png", "no face found")):
        request = replace(request_of_a_tone, exemplar=Exemplar(tmp_path / name), analysis_path=None)
        with pytest.raises(InputError, match=words):
            assert open_session(request).plan


def test_work_that_was_stopped_goes_on_and_ends_as_if_it_had_not(
    request_of_a_tone: EditRequest, tmp_path: Path
) -> None:
    session = open_session(request_of_a_tone, progress=stopping(after=120))
    with pytest.raises(KeyboardInterrupt):
        assert session.plan
    (part,) = (kept for kept in session.store.kept() if kept.is_part)
    assert part.facts["done"] == 100
    counted: list[int] = []
    again = open_session(request_of_a_tone, progress=Progress(lambda m: counted.append(m.frames)))
    assert again.plan
    assert min(n for n in counted if n > 10) == 101, "the first hundred steps are not made again"
    assert not [kept for kept in again.store.kept() if kept.is_part]
    fresh = open_session(replace(request_of_a_tone, cache=tmp_path / "fresh"))
    assert fresh.plan.artefacts == again.plan.artefacts
    for key in fresh.plan.artefacts:
        one, other = again.store.get(key), fresh.store.get(key)
        assert one is not None
        assert other is not None
        assert all(torch.equal(one.tensors[name], other.tensors[name]) for name in other.tensors)


def codes_of_a_pack(name: str, store: Store) -> tuple[tuple[int, int], str]:
    """The shape (L, D) of a pack's codes and their id; `tiny` is brought first."""
    if name != "tiny":
        return shape_of(name), codes_of(name)
    folder = style_pack.write_tiny_pack(store.packs / name)
    facts = read_pack_file(folder)
    write_pack_file(replace(facts, generator=replace(facts.generator, id="f" * 16)), folder)
    return (style_pack.LAYERS, style_pack.DIMENSIONS), "f" * 16


@pytest.mark.parametrize("pack", ["portrait", "mini", "tiny"])
def test_a_kind_of_mover_of_one_file_edits_with_every_pack(
    pack: str, face_clip: FaceClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISAGIST_HOME", str(tmp_path / "home"))
    (rows, width), generator = codes_of_a_pack(pack, Store(tmp_path / "home"))
    torch.manual_seed(0)
    mlp = importlib.import_module("models.movers.mlp").Mlp(width, 8, 1.0)
    facts = MoverFacts("mlp", "grin", rows, width, generator, unit=2.0)
    save_mover(tmp_path / "grin.safetensors", mlp.state_dict(), facts)
    assert main(["models", "import", str(tmp_path / "grin.safetensors"), "--as", pack]) == 0
    report = tmp_path / "report.json"
    typed = ["edit", str(face_clip.path), "--pack", pack, "--frames", "0-1", "--attr", "mlp:grin=1"]
    typed += ["--analysis", str(face_clip.analysis), "-o", str(tmp_path / "out.mp4")]
    assert main([*typed, "--report", str(report)]) == 0
    written = json.loads(report.read_text(encoding="utf-8"))
    (edit,) = written["options"]["attributes"]
    assert edit["options"] == {"mover": "mlp"}
    assert all(face["edited"] for frame in written["frames"] for face in frame["faces"])
