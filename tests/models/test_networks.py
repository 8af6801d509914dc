"""Families by the names of their folders: found, opened by role, and added in one folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import models
from models import arcface
from models.base import WeightsError
from models.home import default_home
from models.importing.bring import bring
from models.networks import families, find_weights, open_network
from models.packs.store import Store
from models.weights import embedded, save_safetensors, sha256_of

FILES = """
from torch import nn

from models.parts import Part

KNOWN = "probes"
ROLES = ("probe",)


def detect(contents):
    return "probe.weight" in contents.tensors


def parts(contents):
    build(contents.tensors)
    return (Part("probe", "a probe", "probe", contents.tensors),)


def build(state):
    net = nn.ModuleDict({"probe": nn.Linear(3, 2, bias=False)})
    net.load_state_dict(state)
    return net
"""

CARD = """
[probe]
file = "probe.safetensors"
sha256 = "{sha256}"
use = "a test"
source = "made here"
licence = "CC0"
commercial = true
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a family's folder, added to the program, with no weights yet; the store is empty."""
    monkeypatch.setenv("VISAGIST_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(models, "__path__", [*models.__path__, str(tmp_path / "more")])
    place = tmp_path / "more" / "probe"
    place.mkdir(parents=True)
    (place / "__init__.py").write_text("")
    (place / "files.py").write_text(FILES)
    yield place
    for name in ("models.probe", "models.probe.files"):
        sys.modules.pop(name, None)
    vars(models).pop("probe", None)


def with_weights(folder: Path) -> torch.Tensor:
    weight = torch.arange(6.0).reshape(2, 3)
    path = folder / "probe.safetensors"
    save_safetensors(path, {"probe.weight": weight}, {})
    (folder / "weights.toml").write_text(CARD.format(sha256=sha256_of(path)))
    return weight


def test_a_folder_is_all_a_family_needs(folder: Path) -> None:
    weight = with_weights(folder)
    network = open_network("probe")
    assert torch.equal(network.state_dict()["probe.weight"], weight)
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())
    card = find_weights("probe")
    assert (card.family, card.use, card.commercial) == ("probe", "a test", True)
    assert embedded()["probe"] == card


def test_weights_that_were_changed_are_refused(folder: Path) -> None:
    with_weights(folder)
    save_safetensors(folder / "probe.safetensors", {"probe.weight": torch.zeros(2, 3)}, {})
    with pytest.raises(WeightsError, match="not the one expected"):
        open_network("probe")


def test_a_new_family_is_imported_and_opened_from_the_store(folder: Path) -> None:
    with pytest.raises(WeightsError, match=r"no weights of 'probe'.*visagist models import"):
        open_network("probe")
    store = Store(default_home())
    for seed in (1, 2):
        path = folder.parent / f"{seed}.pt"
        torch.save({"probe.weight": torch.full((2, 3), float(seed))}, path)
        done = bring([str(path)], store)
        assert done.brought[0].card.title == "a probe"
        if seed == 1:
            assert float(next(open_network("probe").parameters()).max()) == 1
    with pytest.raises(WeightsError, match=r"several weights of 'probe'.*say which"):
        open_network("probe")
    name = done.brought[0].card.name
    assert float(next(open_network("probe", name=name).parameters()).max()) == 2


def test_unknown_roles_and_what_is_no_network_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISAGIST_HOME", str(tmp_path))
    for role in ("nose", "weights", "a.b", ""):
        with pytest.raises(
            WeightsError, match=r"no network family.*there are arcface, attribute_n"
        ):
            open_network(role)
    torch.save(torch.ones(1, 8), tmp_path / "smile.pt")
    bring([str(tmp_path / "smile.pt")], Store(tmp_path))
    with pytest.raises(WeightsError, match="no network that runs on its own"):
        open_network("directions")


def test_families_are_found_in_the_order_of_their_names() -> None:
    names = list(families())
    assert names == sorted(names)
    assert {"arcface", "encoders", "stylegan2"} <= set(names)
    with torch.device("meta"):
        state = arcface.net.RecognitionNet(arcface.net.CURRICULARFACE).state_dict()
    assert isinstance(families()["arcface"].build(state), arcface.net.RecognitionNet)
