"""Packs: opened from a folder of safetensors files, parts checked against each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from models import bisenet
from models.attributes import Attribute
from models.base import ModelError, PackError, WeightsError
from models.encoders import tiny as tiny_encoder
from models.encoders.tiny import TINY
from models.latent_transformer import WPlusMover, WPlusTransformer
from models.packs.opening import StylePack, open_pack
from models.packs.packfile import (
    EncoderEntry,
    FileEntry,
    GeneratorEntry,
    MoverEntry,
    PackFile,
    write_pack_file,
)
from models.stylegan2.generator_id import generator_id
from models.stylegan2.net import Generator, tiny
from models.weights import save_safetensors, sha256_of

CHANNELS = {4: 8, 8: 8, 16: 8, 32: 8}


def _generator() -> Generator:
    torch.manual_seed(0)
    return Generator(32, style_dim=16, mapping_layers=2, channels=CHANNELS).eval()


def _transformer(layers: int = 8) -> WPlusTransformer:
    torch.manual_seed(1)
    return WPlusTransformer(layers, 16).eval()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A pack of a 32-px generator with 16-number codes, half precision where that is allowed."""
    save_safetensors(
        tmp_path / "generator.safetensors",
        {k: v.half() for k, v in _generator().state_dict().items()},
        {},
    )
    encoder = tiny_encoder("psp").state_dict() | {"latent_avg": torch.full((8, 16), 0.5)}
    save_safetensors(tmp_path / "encoder.safetensors", encoder, {})
    mover = {f"smile.{k}": v for k, v in _transformer().state_dict().items()}
    save_safetensors(tmp_path / "movers.safetensors", mover, {})
    _write(tmp_path)
    return tmp_path


def _write(folder: Path, **changes: object) -> None:
    parts: dict[str, Any] = {
        "generator": GeneratorEntry("generator.safetensors", 32),
        "encoder": EncoderEntry(
            "encoder.safetensors",
            "psp",
            size=TINY.size,
            widths=TINY.trunk.widths,
            units=TINY.trunk.units,
            reduction=TINY.trunk.reduction,
        ),
        "attributes": (Attribute("smile", "a smile", ("grin",)),),
        "movers": (
            MoverEntry(
                "latent-transformer",
                "smile",
                "movers.safetensors",
                prefix="smile.",
                layers=(0, 5),
                unit=-2.0,
            ),
        ),
    } | changes
    write_pack_file(PackFile(name="tiny", licence="CC0", commercial=True, **parts), folder)


@pytest.mark.parametrize(
    ("dtype", "apart"), [(torch.float32, 1e-5), (torch.bfloat16, 0.02)], ids=str
)
def test_a_prepared_pack_gives_the_same_codes_and_pictures(
    folder: Path, dtype: torch.dtype, apart: float
) -> None:
    pack = open_pack(folder)
    faces = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    w, found = pack.encode(faces), pack.prepared(dtype).encode(faces)
    assert found.dtype == torch.float32
    assert float((found - w).norm() / w.norm()) < apart
    image, found = pack.generate(w), pack.prepared(dtype).generate(w)
    assert found.dtype == torch.float32
    assert not torch.equal(found, image), "the prepared generator is meant to draw"
    assert float((found - image).norm() / image.norm()) < apart


def test_a_pack_encodes_moves_and_generates(folder: Path) -> None:
    pack = open_pack(folder)
    faces = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    w = pack.encode(faces)
    assert w.shape == (2, pack.layers, 16)
    assert torch.allclose(w, tiny_encoder("psp")(faces) + 0.5, atol=1e-5)
    assert (pack.name, pack.size, pack.layers, pack.encoder_size) == ("tiny", 32, 8, 32)
    assert pack.parse(faces) is None

    half = _generator()
    half.load_state_dict({k: v.half().float() for k, v in _generator().state_dict().items()})
    assert torch.allclose(pack.generate(w), half(w), atol=1e-5)


def test_a_mover_follows_its_entry(folder: Path) -> None:
    pack = open_pack(folder)
    w = torch.randn(3, 8, 16, generator=torch.Generator().manual_seed(0))
    strength = torch.tensor([0.0, 1.0, -0.5])
    moved = pack.mover("latent-transformer", "smile")(w, strength)
    plain = WPlusMover(_transformer(), layers=(0, 8))(w, -2 * strength)
    assert torch.equal(moved[0], w[0])
    assert torch.equal(moved[:, 5:], w[:, 5:])
    assert torch.allclose(moved[:, :5], plain[:, :5], atol=1e-6)
    assert pack.mover("latent-transformer", "smile") is pack.mover("latent-transformer", "smile")


def test_directions_and_components_move_their_rows(folder: Path) -> None:
    vector = torch.randn(1, 16, generator=torch.Generator().manual_seed(3))
    components = torch.eye(16)[:4, None]
    tensors = {
        "grin.vector": vector,
        "ganspace.comp": components,
        "ganspace.mean": torch.zeros(1, 16),
        "ganspace.std": torch.arange(1.0, 5.0),
    }
    save_safetensors(folder / "movers.safetensors", tensors, {})
    file = "movers.safetensors"
    direction = MoverEntry("direction", "grin", file, prefix="grin.", layers=(2, 4), unit=3.0)
    component = MoverEntry("pca", "pca-2", file, prefix="ganspace.", component=2)
    _write(folder, movers=(direction, component))
    pack, w = open_pack(folder), torch.zeros(1, 8, 16)
    moved = pack.mover("direction", "grin")(w, torch.ones(1))
    assert torch.allclose(moved[0, 2:4], 3 * vector.expand(2, 16))
    assert not moved[0, :2].any()
    assert not moved[0, 4:].any()
    moved = pack.mover("pca", "pca-2")(w, torch.ones(1))
    assert torch.allclose(moved, torch.zeros(1, 8, 16).index_fill(2, torch.tensor([2]), 3.0))


def test_a_generators_mean_code_serves_an_encoder_without_one(folder: Path) -> None:
    state = _generator().state_dict() | {"latent_avg": torch.full((16,), 0.25)}
    save_safetensors(folder / "generator.safetensors", state, {})
    save_safetensors(folder / "encoder.safetensors", tiny_encoder("psp").state_dict(), {})
    faces = torch.zeros(1, 3, 32, 32)
    expected = tiny_encoder("psp")(faces) + 0.25
    assert torch.allclose(open_pack(folder).encode(faces), expected, atol=1e-5)


def test_a_parser_labels_pictures(folder: Path) -> None:
    net = bisenet.ParsingNet().eval()
    save_safetensors(folder / "parsing.safetensors", net.state_dict(), {})
    _write(folder, parsing=FileEntry("parsing.safetensors"))
    faces = torch.rand(1, 3, 64, 64) * 2 - 1
    labels = open_pack(folder).parse(faces)
    assert labels is not None
    assert torch.equal(labels, bisenet.parse(net, faces))


def test_attributes_and_hashes_are_what_the_files_say(folder: Path) -> None:
    pack = open_pack(folder)
    (smile,) = pack.attributes
    assert (smile.name, smile.summary, smile.aliases) == ("smile", "a smile", ("grin",))
    assert pack.hashes["tiny/movers.safetensors"] == sha256_of(folder / "movers.safetensors")
    assert len(pack.hashes) == 3


def test_an_unknown_mover_is_refused_with_what_there_is(folder: Path) -> None:
    pack = open_pack(folder)
    with pytest.raises(ModelError, match="no latent-transformer for 'age'; it has one for smile"):
        pack.mover("latent-transformer", "age")
    with pytest.raises(ModelError, match="no pca for 'age'; it has one for nothing"):
        pack.mover("pca", "age")
    with pytest.raises(ModelError, match="it moves that with --editor latent-transformer"):
        pack.mover("pca", "smile")


def test_a_mover_of_other_codes_is_refused(folder: Path) -> None:
    save_safetensors(folder / "movers.safetensors", _transformer(18).state_dict(), {})
    _write(folder, movers=(MoverEntry("latent-transformer", "smile", "movers.safetensors"),))
    with pytest.raises(
        PackError,
        match="of pack 'tiny' cannot be used: it moves codes of 18 rows, the generator has 8",
    ):
        open_pack(folder).mover("latent-transformer", "smile")


def test_a_pack_without_an_encoder_says_what_is_missing(folder: Path) -> None:
    _write(folder, encoder=None)
    with pytest.raises(PackError, match=r"no encoder.*models import FILE --as tiny"):
        open_pack(folder)


def test_an_encoder_without_its_mean_code_is_refused(folder: Path) -> None:
    save_safetensors(folder / "encoder.safetensors", tiny_encoder("psp").state_dict(), {})
    with pytest.raises(WeightsError, match=r"neither .* holds latent_avg"):
        open_pack(folder)


def test_a_file_with_another_hash_is_refused(folder: Path) -> None:
    _write(folder, generator=GeneratorEntry("generator.safetensors", 32, sha256="0" * 64))
    with pytest.raises(WeightsError, match="not the one expected"):
        open_pack(folder)


def test_the_parts_of_another_size_are_refused(folder: Path) -> None:
    _write(folder, generator=GeneratorEntry("generator.safetensors", 64))
    with pytest.raises(PackError, match="a generator of 32 px, the pack says 64"):
        open_pack(folder)


def test_a_generator_has_one_id_whatever_file_it_came_in() -> None:
    state = tiny().state_dict()
    same = dict(reversed(state.items())) | {"latent_avg": torch.zeros(8)}
    same["noises.noise_0"] = torch.zeros_like(same["noises.noise_0"])
    assert generator_id(state) == generator_id(same)
    other = state | {"style.1.weight": state["style.1.weight"] + 1e-3}
    assert generator_id(state) != generator_id(other)


def test_a_pack_moves_to_a_device_and_keeps_working(folder: Path) -> None:
    pack = open_pack(folder).to(torch.device("cpu"))
    assert isinstance(pack, StylePack)
    assert pack.generate(torch.zeros(1, 8, 16)).shape == (1, 3, 32, 32)
