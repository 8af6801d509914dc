"""Bringing weights: from published files to a store and a pack, or refused without a trace."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from models import encoders
from models.base import PackError, WeightsError
from models.directions import BoundDirection, save_direction
from models.home import default_home
from models.importing.bring import bring
from models.latent_transformer import (
    MoverFacts,
    WPlusClassifier,
    WPlusTransformer,
    save_classifier,
    save_mover,
)
from models.packs.opening import open_pack
from models.packs.packfile import read_pack_file
from models.packs.store import Store
from models.parts import Licence
from models.stylegan2 import layouts
from models.stylegan2.generator_id import generator_id
from models.weights import save_safetensors
from tests.models import weight_files
from tests.models.ada import to_ada
from tests.models.weight_files import CODE, LAYERS, SIDE, Desk, generator_state, merged


@pytest.fixture(scope="session")
def encoder_state() -> dict[str, Tensor]:
    return weight_files.encoder_state()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home")


@pytest.fixture
def desk(tmp_path: Path, store: Store) -> Desk:
    return Desk(tmp_path, store)


def listing(store: Store) -> list[str]:
    return sorted(p.relative_to(store.home).as_posix() for p in store.home.rglob("*.*"))


def test_a_merged_file_and_a_mover_make_a_pack_that_edits(
    desk: Desk, encoder_state: dict[str, Tensor]
) -> None:
    psp = desk.save("psp_faces.pt", merged(encoder_state, generator_state()))
    done = desk.bring(psp, desk.transformer())
    assert [b.card.role for b in done.brought] == ["encoder", "generator", "latent-transformer"]
    assert done.pack is not None
    assert done.pack.name == "psp-faces"

    pack = open_pack(desk.store.packs / "psp-faces")
    faces = torch.zeros(1, 3, 256, 256)
    w = pack.encode(faces)
    network = encoders.load(encoder_state, kind="w")
    assert torch.allclose(w, network(faces)[:, :LAYERS] + 0.5, atol=1e-5)
    assert torch.equal(pack.generate(w), layouts.build(generator_state())(w))
    moved = pack.mover("latent-transformer", "smile")(w, torch.ones(1))
    assert not torch.equal(moved, w)
    assert sorted(pack.hashes.values()) == sorted(b.card.sha256 for b in done.brought)


def test_the_same_generator_in_another_file_and_layout_comes_in_once(desk: Desk) -> None:
    first = desk.bring(desk.generator())
    ada = to_ada(generator_state(), torch.ones(CODE))
    second = desk.bring(desk.save("ada.pt", ada))
    assert first.brought[0].is_new
    assert not second.brought[0].is_new
    assert second.brought[0].card == first.brought[0].card
    again = desk.bring(desk.generator("copy.pt"))
    assert not again.brought[0].is_new
    assert len(desk.store.cards()) == 1


def test_parts_in_the_store_can_be_put_into_a_pack_by_name(desk: Desk) -> None:
    (generator,) = desk.bring(desk.generator()).brought
    (mover,) = desk.bring(desk.direction()).brought
    assert mover.card.facts.generator == ""
    done = desk.bring(generator.card.name, mover.card.name, pack="mine")
    assert done.pack is not None
    assert [m.attribute for m in done.pack.movers] == ["smile"]
    bound = desk.store.cards()[mover.card.name]
    assert bound.facts.generator == generator_id(generator_state())


def test_movers_go_into_the_only_pack(desk: Desk) -> None:
    desk.bring(desk.generator(), pack="mine")
    done = desk.bring(desk.transformer(), desk.direction())
    assert done.pack is not None
    assert [(m.editor, m.attribute) for m in done.pack.movers] == [
        ("latent-transformer", "smile"),
        ("direction", "smile"),
    ]
    desk.bring(desk.generator("other.pt", seed=1), pack="other")
    with pytest.raises(PackError, match=r"several packs \(mine, other\); say which one with --as"):
        desk.bring(desk.direction("age.npy"))


def test_a_mover_of_one_generator_is_refused_for_another(desk: Desk) -> None:
    desk.bring(desk.generator(), pack="mine")
    desk.bring(desk.direction(), pack="mine")
    desk.bring(desk.generator("other.pt", seed=1), pack="other")
    before = listing(desk.store)
    with pytest.raises(WeightsError, match=r"moves codes of generator .* codes mean other things"):
        desk.bring(desk.direction(), pack="other")
    assert listing(desk.store) == before
    assert read_pack_file(desk.store.packs / "other").movers == ()


def test_a_part_for_codes_of_other_rows_is_refused(desk: Desk) -> None:
    desk.bring(desk.generator(), pack="mine")
    with pytest.raises(PackError, match=r"18 rows of 512, the generator .* \(16 px\) has 6 of 512"):
        desk.bring(desk.transformer(layers=18), pack="mine")
    with pytest.raises(PackError, match="18 rows"):
        desk.bring(desk.direction(rows=18), pack="mine")


def test_a_second_generator_is_refused(desk: Desk) -> None:
    desk.bring(desk.generator(), pack="mine")
    with pytest.raises(PackError, match="a pack has one generator: choose another name"):
        desk.bring(desk.generator("other.pt", seed=1), pack="mine")


def test_a_pack_begins_with_its_generator(desk: Desk) -> None:
    with pytest.raises(PackError, match="begins with its generator: import that first"):
        desk.bring(desk.transformer(), pack="mine")
    with pytest.raises(PackError, match="cannot be put into 'portrait', a pack of the program"):
        desk.bring(desk.generator(), pack="portrait")
    with pytest.raises(PackError, match=r"cannot be called '\.\./up'"):
        desk.bring(desk.generator(), pack="../up")


def test_an_encoder_for_sketches_is_refused(desk: Desk, encoder_state: dict[str, Tensor]) -> None:
    sketch = dict(encoder_state)
    sketch["input_layer.0.weight"] = torch.ones(64, 1, 3, 3)
    path = desk.save("psp_sketch.pt", merged(sketch, generator_state()))
    with pytest.raises(PackError, match=r"reads pictures of 1 channels .sketches or label maps"):
        desk.bring(path, pack="mine")


def test_one_bad_file_among_good_ones_changes_nothing(desk: Desk, tmp_path: Path) -> None:
    bad = tmp_path / "page.pt"
    bad.write_bytes(b"<html>")
    with pytest.raises(WeightsError, match="web page"):
        desk.bring(desk.generator(), desk.transformer(), str(bad))
    assert not desk.store.home.exists()


def test_numbers_that_are_not_finite_are_refused(desk: Desk) -> None:
    state = generator_state()
    state["to_rgb1.bias"][0, 1] = float("nan")
    with pytest.raises(WeightsError, match=r"g\.pt: to_rgb1\.bias holds numbers .* not finite"):
        desk.bring(desk.save("g.pt", {"g_ema": state}))
    assert not desk.store.home.exists()


def test_the_licence_is_the_published_one_unless_the_user_knows_better(desk: Desk) -> None:
    done = desk.bring(desk.direction())
    assert done.brought[0].card.licence == Licence("unknown, treat as non-commercial")
    own = Licence("my own", commercial=True)
    done = bring([desk.generator()], desk.store, pack="mine", licence=own)
    assert done.pack is not None
    assert (done.pack.licence, done.pack.commercial) == ("my own", True)
    done = bring([desk.direction()], desk.store, pack="mine")
    assert done.pack is not None
    assert done.pack.licence == "my own; unknown, treat as non-commercial"
    assert not done.pack.commercial


def test_components_become_attributes(desk: Desk) -> None:
    content = {
        "mean": torch.zeros(1, CODE),
        "comp": torch.eye(CODE)[:80, None],
        "std": torch.ones(80),
    }
    desk.bring(desk.generator(), pack="mine")
    done = desk.bring(desk.save("ffhq_pca.pt", content))
    assert done.pack is not None
    assert [m.attribute for m in done.pack.movers] == [f"pca-{i}" for i in range(10)]
    assert [m.component for m in done.pack.movers] == list(range(10))


def test_few_components_become_as_many_attributes(desk: Desk) -> None:
    content = {"mean": torch.zeros(1, CODE), "comp": torch.eye(CODE)[:3, None]}
    desk.bring(desk.generator(), pack="mine")
    done = desk.bring(desk.save("pca.pt", {**content, "std": torch.ones(3)}))
    assert done.pack is not None
    assert [m.attribute for m in done.pack.movers] == ["pca-0", "pca-1", "pca-2"]


def test_the_home_is_what_the_user_chose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISAGIST_HOME", str(tmp_path / "here"))
    assert default_home() == tmp_path / "here"
    monkeypatch.delenv("VISAGIST_HOME")
    assert default_home().name == "visagist"


def own_files(desk: Desk, generator: str) -> list[str]:
    """What this program's training commands write for the codes of a generator."""
    mover = MoverFacts("smile", unit=0.4, layers=(0, 4), generator=generator)
    save_mover(desk.folder / "m.safetensors", WPlusTransformer(LAYERS, CODE), mover)
    direction = BoundDirection(torch.ones(1, CODE), generator, "age", unit=2.0, rows=(1, 3))
    save_direction(desk.folder / "d.safetensors", direction)
    classifier = WPlusClassifier(LAYERS * CODE, 2, (8,))
    save_classifier(desk.folder / "c.safetensors", classifier, ("smile", "age"), {"licence": "CC0"})
    measures = encoders.measures_of(
        "psp", (LAYERS, CODE), size=32, widths=(16, 16, 16, 16, 16), units=(1, 1, 1, 1)
    )
    texts = {"kind": "psp", "size": "32", "widths": "16,16,16,16,16", "units": "1,1,1,1"}
    state = encoders.tiny("psp", measures=measures).state_dict()
    encoder = {**state, "latent_avg": torch.zeros(LAYERS, CODE)}
    save_safetensors(
        desk.folder / "e.safetensors", encoder, {**texts, "generator": generator, "licence": "CC0"}
    )
    return [str(desk.folder / f"{name}.safetensors") for name in "mdce"]


def test_what_was_trained_here_makes_a_pack(desk: Desk) -> None:
    files = own_files(desk, generator_id(generator_state()))
    done = desk.bring(desk.generator(), *files, pack="own")
    assert done.pack is not None
    assert done.pack.classifier is not None
    assert done.pack.classifier.labels == ("smile", "age")
    smile, age = done.pack.movers
    assert (smile.attribute, smile.unit, smile.layers) == ("smile", 0.4, (0, 4))
    assert (age.editor, age.attribute, age.unit, age.layers) == ("direction", "age", 2.0, (1, 3))
    pack = open_pack(desk.store.packs / "own")
    w = pack.encode(torch.zeros(1, 3, 32, 32))
    assert pack.generate(w).shape == (1, 3, SIDE, SIDE)


def test_what_was_trained_here_for_another_generator_is_refused(desk: Desk) -> None:
    for file in own_files(desk, "0123456789abcdef")[:2]:
        with pytest.raises(WeightsError, match="codes of generator 0123456789abcdef"):
            desk.bring(desk.generator(), file, pack="own")


def test_an_ada_pickle_gives_the_same_generator(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    flat = to_ada(generator_state(), torch.ones(CODE))
    path = weight_files.ada_pickle(desk.folder / "ffhq.pkl", flat, monkeypatch)
    (brought,) = desk.bring(str(path)).brought
    assert brought.card.facts.generator == generator_id(generator_state())
    assert brought.left_aside == ("training_set_kwargs",)


def test_a_part_that_would_take_far_more_of_the_store_than_its_file_is_refused(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.importing.bring._SMALL_BYTES", 0)
    monkeypatch.setattr("models.importing.bring._GROWTH", 0.5)
    with pytest.raises(WeightsError, match="what is in it would take"):
        desk.bring(desk.generator())
    assert not desk.store.names()


def test_a_generator_of_a_size_that_nobody_trains_asks_for_no_noise_maps() -> None:
    tiny = {
        "input.input": torch.zeros(1, 1, 4, 4),
        "conv1.conv.modulation.weight": torch.ones(1, 1),
    }
    tiny |= {f"convs.{2 * k}.conv.weight": torch.zeros(1, 1, 1, 3, 3) for k in range(40)}
    with pytest.raises(WeightsError, match="accepted are up to 2048 px"):
        layouts.completed(tiny)
