"""The StyleGAN2 encoders: published layouts, and what sets the kinds apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from models.base import ModelInputError, WeightsError
from models.encoders import (
    KINDS,
    EncoderShape,
    FastEncoder,
    Kind,
    kind_of,
    layers_of,
    load,
    tiny,
    untrained,
)
from models.encoders.tiny import TINY
from models.ops.irse import TrunkShape
from models.state_dicts import Shapes, expected_shapes

from ..golden import manifest_keys, recipe_weights

LAYOUTS: dict[str, Kind] = {
    "psp_encoder_gradualstyle_irse50_18": "psp",
    "e4e_encoder_irse50_18": "e4e",
    "restyle_psp_encoder_irse50_18": "restyle-psp",
    "restyle_e4e_encoder_irse50_18": "restyle-e4e",
    "psp_encoder_backbone_W": "w",
    "hyperstyle_w_encoder_faces": "w",
}


def expected(kind: Kind, measures: EncoderShape | None = None) -> Shapes:
    return expected_shapes(lambda: untrained(kind, measures))


def pictures(kind: Kind, count: int = 2) -> Tensor:
    channels = 6 if kind.startswith("restyle") else 3
    return torch.rand(count, channels, TINY.size, TINY.size) * 2 - 1


@pytest.mark.parametrize("name", LAYOUTS)
def test_keys_and_shapes_are_those_of_the_published_file(name: str, shared: Path) -> None:
    assert expected(LAYOUTS[name]) == manifest_keys(shared / f"golden/manifests/{name}.json")


def test_encoders_and_their_fast_twin_agree_with_the_reference_networks(shared: Path) -> None:
    # both cases have one recipe, as both files have the same keys: drawn once
    state = recipe_weights(shared / "golden/psp_encoder.recipe.json")
    for kind in ("e4e", "psp"):
        golden = np.load(shared / f"golden/{kind}_encoder.npz")
        x = torch.from_numpy(golden["x"])
        plain = load(state, kind=kind)
        assert np.abs(plain(x).numpy() - golden["y"]).max() < 1e-4, kind
    halves = FastEncoder(plain, torch.bfloat16)(x).numpy()
    assert np.linalg.norm(halves - golden["y"]) < 0.02 * np.linalg.norm(golden["y"])


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_one_row_per_layer(kind: Kind) -> None:
    rows = tiny(kind)(pictures(kind))
    assert rows.shape == (2, TINY.layers, TINY.code)
    assert rows.std() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_gets_the_same_code_alone_and_in_a_batch(kind: Kind) -> None:
    encoder, x = tiny(kind), pictures(kind, 3)
    alone = torch.cat([encoder(one[None]) for one in x])
    torch.testing.assert_close(encoder(x), alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_other_picture_sizes_are_refused(kind: Kind) -> None:
    with pytest.raises(ModelInputError, match=r"takes images \(N, \d, 32, 32\)"):
        tiny(kind)(torch.zeros(1, 3, 64, 64))


def test_psp_and_e4e_files_look_alike_so_only_the_options_tell() -> None:
    assert expected("psp") == expected("e4e")
    assert expected("restyle-psp") == expected("restyle-e4e")
    state = tiny("psp").state_dict()
    x = pictures("psp")
    as_e4e = load(state, kind="e4e", measures=TINY)
    assert not torch.allclose(as_e4e(x), tiny("psp")(x), atol=1e-3)
    assert kind_of({"encoder_type": "GradualStyleEncoder"}) == "psp"
    assert kind_of({"encoder_type": "Encoder4Editing"}) == "e4e"
    assert kind_of({"encoder_type": "ProgressiveBackboneEncoder"}) == "restyle-e4e"


def test_options_without_a_kind_are_refused_with_the_choices() -> None:
    with pytest.raises(WeightsError, match=r"no encoder_type.*same keys.*psp, e4e"):
        kind_of({"output_size": 1024})
    with pytest.raises(WeightsError, match=r"'Magic' is not supported.*Encoder4Editing"):
        kind_of({"encoder_type": "Magic"})


@pytest.mark.parametrize(
    ("opts", "layers"),
    [
        ({}, 18),
        ({"output_size": 256}, 14),
        ({"stylegan_size": 1024}, 18),
        ({"output_size": 64}, 10),
    ],
    ids=["old psp file", "psp", "e4e", "small"],
)
def test_the_generator_size_in_the_options_gives_the_layers(
    opts: dict[str, object], layers: int
) -> None:
    assert layers_of(opts) == layers


def test_a_generator_size_that_cannot_be_is_refused() -> None:
    with pytest.raises(WeightsError, match="1000 px; accepted are 8, 16"):
        layers_of({"output_size": 1000})


def test_layers_and_input_channels_are_read_from_the_tensors() -> None:
    shapes = expected("psp", EncoderShape(layers=14, trunk=TrunkShape(channels=1)))
    with torch.device("meta"):
        state = {key: torch.empty(shape) for key, shape in shapes.items()}
    encoder = load(state, kind="psp")
    assert (encoder.layers, encoder.channels) == (14, 1)


def test_a_w_head_has_as_many_rows_as_its_generator_s_options_say() -> None:
    with torch.device("meta"):
        state = {key: torch.empty(shape) for key, shape in expected("w").items()}
    assert load(state, kind="w", layers=layers_of({"output_size": 256})).layers == 14


def test_a_restyle_file_is_no_psp_encoder() -> None:
    with torch.device("meta"):
        state = {key: torch.empty(shape) for key, shape in expected("restyle-psp").items()}
    with pytest.raises(WeightsError, match=r"not a psp encoder: .*missing.*styles"):
        load(state, kind="psp")


def test_e4e_adds_deviations_to_the_code_of_the_first_row() -> None:
    x = pictures("psp")
    rows, codes = tiny("psp")(x), tiny("e4e")(x)
    assert torch.equal(codes[:, 0], rows[:, 0])
    torch.testing.assert_close(codes[:, 1:] - codes[:, :1], rows[:, 1:])


def test_the_w_head_gives_equal_rows() -> None:
    rows = tiny("w")(pictures("w"))
    assert torch.equal(rows, rows[:, :1].expand_as(rows))


def test_coarse_rows_of_psp_do_not_see_the_finer_maps() -> None:
    encoder, x = tiny("psp"), pictures("psp")
    before = encoder(x)
    encoder.latlayer2.weight.zero_()
    after = encoder(x)
    assert torch.equal(after[:, :7], before[:, :7])
    assert not torch.allclose(after[:, 7:], before[:, 7:], atol=1e-3)
    encoder.latlayer1.weight.zero_()
    assert torch.equal(encoder(x)[:, :3], before[:, :3])
    assert not torch.allclose(encoder(x)[:, 3:7], before[:, 3:7], atol=1e-3)
