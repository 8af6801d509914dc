"""Files as training frameworks leave them: wrapped, split, or silent about what they are."""

from __future__ import annotations

import json
import re
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from models.base import WeightsError
from models.importing.bring import bring
from models.latent_transformer import WPlusTransformer
from models.packs.store import Store
from models.parts import Hints
from models.reading.unwrapping import unwrapped
from models.stylegan2.generator_id import generator_id
from models.weights import save_safetensors
from tests.models import weight_files
from tests.models.weight_files import CODE, LAYERS, Desk, generator_state, merged

UNSAID = "unknown, treat as non-commercial"


@pytest.fixture(scope="session")
def encoder_state() -> dict[str, Tensor]:
    return weight_files.encoder_state()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path, Store(tmp_path / "home"))


def below(prefix: str, state: dict[str, Any]) -> dict[str, Any]:
    return {f"{prefix}{key}": value for key, value in state.items()}


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_prefixes_of_wrappers_are_taken_off_wherever_they_are(desk: Desk, prefix: str) -> None:
    state = generator_state()
    for number, content in enumerate(
        (
            below(prefix, state),
            {"g_ema": below(prefix, state), "args": None},
            {"state_dict": below(prefix, below("decoder.", state))},
            {"state_dict": below(f"decoder.{prefix}", state)},
        )
    ):
        (item,) = desk.bring(desk.save(f"{number}.pt", content), pack="mine").brought
        assert item.card.facts.generator == generator_id(state)
    mover = below(prefix, WPlusTransformer(LAYERS, CODE).state_dict())
    (item,) = desk.bring(desk.save("tnet_31.pth.tar", {"T_net_state_dict": mover})).brought
    assert item.card.role == "latent-transformer"


def test_two_keys_never_become_one() -> None:
    both = {"module.a": 1, "a": 2}
    assert unwrapped(both) == both


def lightning(state: dict[str, Any], options: object) -> dict[str, Any]:
    """What `Trainer.save_checkpoint` writes."""
    return {
        "epoch": 3,
        "global_step": 4000,
        "pytorch-lightning_version": "2.4.0",
        "state_dict": state,
        "loops": {"fit_loop": {"state_dict": {}}},
        "callbacks": {"ModelCheckpoint{'monitor': 'loss'}": {"best_model_score": torch.ones(())}},
        "optimizer_states": [{"state": {}, "param_groups": [{"lr": 1e-3}]}],
        "lr_schedulers": [],
        "hparams_name": "kwargs",
        "hyper_parameters": options,
    }


def attributes_of_lightning(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """The dict in which Lightning keeps options, pickled under its own name."""
    name = "lightning_fabric.utilities.data"

    class AttributeDict(dict[str, Any]):
        pass

    AttributeDict.__module__, AttributeDict.__qualname__ = name, "AttributeDict"
    parts = name.split(".")
    for count in range(1, len(parts) + 1):
        module = types.ModuleType(".".join(parts[:count]))
        monkeypatch.setitem(sys.modules, module.__name__, module)
    sys.modules[name].AttributeDict = AttributeDict  # type: ignore[attr-defined]
    return AttributeDict(options)


def test_a_checkpoint_of_lightning_holds_what_its_module_held(
    desk: Desk, encoder_state: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = merged(encoder_state, generator_state())
    losses = {"lpips.net.0.weight": torch.ones(1), "latent_avg": whole["latent_avg"]}
    options = attributes_of_lightning(whole["opts"], monkeypatch)
    state = below("net.", {**whole["state_dict"], **losses})
    done = desk.bring(desk.save("last.ckpt", lightning(state, options)), pack="mine")
    encoder, generator = done.brought
    assert (encoder.card.facts.kind, generator.card.role) == ("w", "generator")
    assert generator.card.facts.generator == generator_id(generator_state())
    plain = desk.bring(desk.save("plain.pt", whole), pack="mine")
    assert [b.card.sha256 for b in plain.brought] == [b.card.sha256 for b in done.brought]


def test_lightning_gives_the_averaged_generator_and_movers(desk: Desk) -> None:
    live, kept = generator_state(1), generator_state()
    state = {
        **below("G.", live),
        **below("G_ema.", kept),
        "D.conv.weight": torch.ones(3, 3),
    }
    (item,) = desk.bring(desk.save("gan.ckpt", lightning(state, {})), pack="mine").brought
    assert item.card.facts.generator == generator_id(kept)
    mover = below("model.T.", WPlusTransformer(LAYERS, CODE).state_dict())
    path = desk.save("smile.ckpt", lightning(mover, {"lr": 0.1}))
    (item,) = desk.bring(path, pack="mine", attribute="smile").brought
    assert item.card.role == "latent-transformer"
    with pytest.raises(WeightsError, match=r"odd\.ckpt is not recognised"):
        desk.bring(desk.save("odd.ckpt", lightning({"a.b": torch.ones(1)}, {})))


def test_of_several_networks_in_a_checkpoint_one_is_taken_by_its_name(desk: Desk) -> None:
    smile, age = (WPlusTransformer(LAYERS, CODE).state_dict() for _ in range(2))
    widths = (64, 192, 384, 256, 256)
    heads = {f"lin{n}.model.1.weight": torch.ones(1, c, 1, 1) for n, c in enumerate(widths)}
    state = {**below("loss.heads.", heads), **below("T.smile.", smile)}
    path = desk.save("one.ckpt", lightning(state, {}))
    (item,) = desk.bring(path, attribute="smile").brought
    assert item.card.role == "latent-transformer", "what a training learns with is not what it made"
    (item,) = desk.bring(path, network="loss").brought
    assert item.card.role.startswith("lpips")

    path = desk.save("two.ckpt", lightning({**state, **below("T.age.", age)}, {}))
    with pytest.raises(WeightsError) as told:
        desk.bring(path, attribute="smile")
    named = r"loss\.heads \(LPIPS.*\); T\.smile \(.*\); T\.age \(.*such as --network T\.smile"
    assert re.search(rf"two\.ckpt holds several networks: {named}", str(told.value))
    (item,) = desk.bring(path, attribute="age", network="T.age").brought
    (plain,) = desk.bring(desk.save("age.pt", age), attribute="age").brought
    assert item.card.sha256 == plain.card.sha256
    with pytest.raises(WeightsError, match=r"no network 'T\.old'; there are: loss\.heads, T"):
        desk.bring(path, attribute="age", network="T.old")


def shards(folder: Path, state: dict[str, Tensor], texts: dict[str, str]) -> Path:
    names = [f"model-{n:05}-of-00002.safetensors" for n in (1, 2)]
    places = {key: names[n % 2] for n, key in enumerate(state)}
    for name in names:
        own = {key: value for key, value in state.items() if places[key] == name}
        save_safetensors(folder / name, own, texts)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": places}))
    return index


def test_sharded_safetensors_are_read_by_their_index(desk: Desk) -> None:
    index = shards(desk.folder, generator_state(), {"licence": "CC0"})
    (item,) = desk.bring(str(index), pack="mine").brought
    assert item.card.facts.generator == generator_id(generator_state())
    assert (item.card.licence.name, item.card.source) == ("CC0", index.name)
    (again,) = desk.bring(str(index), pack="mine").brought
    assert again.card.source_sha256 == item.card.source_sha256


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda m: m.clear(), "names no tensors"),
        (lambda m: m.update(x="../up.safetensors"), r"names '../up.safetensors'; accepted are"),
        (lambda m: m.update(x="gone.safetensors"), "1 of them are not beside it: gone.safetensors"),
        (lambda m: m.update(x=next(iter(m.values()))), "lacks 1 tensors that .* are in it"),
    ],
)
def test_a_wrong_index_is_refused(desk: Desk, spoil: Any, words: str) -> None:
    index = shards(desk.folder, generator_state(), {})
    content = json.loads(index.read_text())
    spoil(content["weight_map"])
    index.write_text(json.dumps(content))
    with pytest.raises(WeightsError, match=words):
        desk.bring(str(index))
    index.write_text("[1]")
    with pytest.raises(WeightsError, match="is no index of safetensors files"):
        desk.bring(str(index))


def test_one_of_several_files_is_refused_with_the_cure(desk: Desk) -> None:
    index = shards(desk.folder, generator_state(), {})
    with pytest.raises(
        WeightsError, match=r"one of 2 files .* give that: .*model\.safetensors\.index"
    ):
        desk.bring(str(desk.folder / "model-00001-of-00002.safetensors"))
    assert index.is_file()


def test_a_kind_that_contradicts_the_file_is_refused(
    desk: Desk, encoder_state: dict[str, Tensor]
) -> None:
    whole = merged(encoder_state, generator_state())
    for named, told in (("Encoder4Editing", "e4e"), ("GradualStyleEncoder", "psp")):
        other = {"e4e": "psp", "psp": "e4e"}[told]
        path = desk.save("a.pt", {**whole, "opts": {"encoder_type": named}})
        with pytest.raises(WeightsError, match=f"kind {told} .*{named}.* but --kind says {other}"):
            desk.bring(path, kind=other)
    bare = desk.save("w.pt", encoder_state)
    with pytest.raises(WeightsError, match=r"kind w .its keys show that., but --kind says psp"):
        desk.bring(bare, kind="psp")
    path = desk.save("b.pt", {**whole, "opts": {}})
    with pytest.raises(WeightsError, match=r"say which kind it is with --kind \(psp, e4e"):
        desk.bring(path)
    assert desk.bring(path, kind="w").brought[0].card.facts.kind == "w"
    path = desk.save("c.pt", whole)
    assert desk.bring(path, kind="w").brought[0].card.facts.kind == "w"


def test_the_licence_follows_the_file_and_the_card(desk: Desk) -> None:
    """Not the shape: whoever trains a generator of the usual size has its own licence."""
    stated = desk.folder / "g.safetensors"
    save_safetensors(stated, generator_state(2), {"licence": "CC BY 4.0"})
    for path, licence in (
        (desk.generator("own.pt", seed=3), UNSAID),
        (str(stated), "CC BY 4.0"),
        (desk.generator("stylegan2-ffhq-config-f.pt", seed=4), "NVIDIA Source Code License"),
        (desk.generator("550000.pt", seed=5), "NVIDIA Source Code License"),
    ):
        (item,) = desk.bring(path).brought
        assert item.card.licence.name.startswith(licence), path
        assert not item.card.licence.commercial
    (again,) = desk.bring(desk.generator("copy-of-own.pt", seed=2)).brought
    assert again.card.licence.name == "CC BY 4.0", "the card of the same generator"


def test_movers_that_name_no_generator_are_marked_as_taken_for_the_packs(desk: Desk) -> None:
    desk.bring(desk.generator(), pack="mine")
    done = desk.bring(desk.direction(), desk.transformer(), pack="mine")
    assert [b.assumed for b in done.brought] == [True, True]
    again = desk.bring(desk.direction(), pack="mine")
    assert [b.assumed for b in again.brought] == [False], "its card names the generator now"
    (loose,) = bring([desk.direction("age.npy", rows=1)], desk.store, hints=Hints()).brought
    assert loose.assumed
    assert np.load(desk.folder / "age.npy").shape == (1, CODE)
