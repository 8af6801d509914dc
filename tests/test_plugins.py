"""Editors of other packages: they run where the program runs, and one that is broken stops
nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pipeline.editors import Plugin, found, latent
from pipeline.edits import Catalogue, resolve_edits
from pipeline.errors import UsageError
from pipeline.loading import load_pack
from pipeline.request import EditRequest
from tests import plugin
from tests.conftest import FaceClip

ROOT = Path(__file__).resolve().parents[1]


def test_a_package_with_editors_runs_in_a_checkout(face_clip: FaceClip, tmp_path: Path) -> None:
    """It imports `visagist.pipeline`; the checkout runs as `pipeline`."""
    code = (
        "from pipeline.cli import main\n"
        "assert main(['attrs', '--json']) == 0\n"
        "assert main(['doctor', '--json']) == 0\n"
        "import pipeline.editors, visagist.pipeline.editors as other, visagist.models.base\n"
        "from pipeline.loading import mover_kinds\n"
        "assert 'shove' in mover_kinds()\n"
        "assert other is pipeline.editors and other.__spec__.name == 'pipeline.editors'\n"
    )
    site = plugin.unpack(tmp_path / "site")
    done = plugin.check_edit("pipeline", face_clip.path, tmp_path, ROOT, site, before=code)
    assert '"glow"' in done.stdout
    assert '"editor push"' in done.stdout
    assert '"mover shove"' in done.stdout
    assert done.stderr.count("editor 'broken' of facefx 1.2 is left aside") == 2


def test_an_attribute_of_a_broken_plug_in_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Plugin("spark", "facefx 1.2", None, "ImportError: no")
    monkeypatch.setattr("pipeline.editors.load_plugins", lambda: [broken])
    catalogue = Catalogue(load_pack("portrait", torch.device("cpu")))
    with pytest.raises(
        UsageError, match=r"unknown attribute 'spark'.*'spark' of facefx 1\.2 is left"
    ):
        resolve_edits(EditRequest(Path("x.mp4"), ("spark",)), catalogue)


def test_a_plug_in_never_takes_the_place_of_an_editor(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Plugin("latent", "facefx 1.2", latent)
    monkeypatch.setattr("pipeline.editors.load_plugins", lambda: [own])
    editors, (plugin,) = found()
    assert plugin.why == "there is another editor called 'latent'"
    assert editors["latent"].build is latent.build
