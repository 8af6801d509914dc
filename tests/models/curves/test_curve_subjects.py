"""What the curves are drawn of: a StyleGAN2 pack and the embedded portrait, behind one face."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from models.base import PackError
from models.curves.curve_subjects import Face, PortraitSubject, open_subject
from models.encoders import tiny as tiny_encoder
from models.encoders.tiny import TINY
from models.latent_transformer import WPlusTransformer
from models.packs.naming import folder_of
from models.packs.opening import open_pack
from models.packs.packfile import (
    EncoderEntry,
    GeneratorEntry,
    MoverEntry,
    PackFile,
    write_pack_file,
)
from models.stylegan2.net import Generator
from models.weights import save_safetensors


def small_pack(folder: Path) -> Path:
    """A pack of a 32-px generator with a smile, and a mover that has no rating."""
    torch.manual_seed(0)
    channels = dict.fromkeys((4, 8, 16, 32), 8)
    generator = Generator(32, style_dim=16, mapping_layers=2, channels=channels)
    encoder = tiny_encoder("psp").state_dict() | {"latent_avg": torch.full((8, 16), 0.5)}
    save_safetensors(folder / "generator.safetensors", generator.state_dict(), {})
    save_safetensors(folder / "encoder.safetensors", encoder, {})
    save_safetensors(folder / "mover.safetensors", WPlusTransformer(8, 16).state_dict(), {})
    trunk = TINY.trunk
    shape: dict[str, Any] = {
        "widths": trunk.widths,
        "units": trunk.units,
        "reduction": trunk.reduction,
    }
    movers = tuple(
        MoverEntry("latent-transformer", name, "mover.safetensors") for name in ("smile", "hat")
    )
    pack = PackFile(
        name="tiny",
        licence="CC0",
        commercial=True,
        generator=GeneratorEntry("generator.safetensors", 32),
        encoder=EncoderEntry("encoder.safetensors", "psp", size=TINY.size, **shape),
        movers=movers,
    )
    write_pack_file(pack, folder)
    return folder


def faces(count: int, side: int) -> Iterator[Face]:
    generator = torch.Generator().manual_seed(1)
    for _ in range(count):
        picture = torch.rand(3, side, side, generator=generator) * 2 - 1
        yield picture, torch.rand(68, 2, generator=generator) * side


def test_a_stylegan2_pack_is_shown_as_what_it_generates(tmp_path: Path) -> None:
    subject = open_subject(str(small_pack(tmp_path)))
    assert subject.attributes == ("smile",), "a hat has no rating"
    encoded = subject.encode(faces(11, 48))
    assert encoded.w.shape == (11, 8, 16)
    torch.testing.assert_close(subject.encode(faces(11, 48), keep=False).w, encoded.w)
    pack = open_pack(tmp_path)
    moved = subject.mover("latent-transformer", "smile")(encoded.w[:2], torch.ones(2))
    shown = subject.shown(encoded, 0, moved)
    torch.testing.assert_close(shown, pack.generate(moved).clamp(-1, 1))


def test_a_pack_is_found_by_its_name_and_by_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`mini` was looked for in a folder of the curves' own."""
    monkeypatch.setenv("VISAGIST_HOME", str(tmp_path))
    assert open_subject("mini").attributes == ("smile", "age", "gender")
    folder = tmp_path / "packs" / "tiny"
    folder.mkdir(parents=True)
    small_pack(folder)
    for name in ("tiny", str(folder)):
        assert open_subject(name).attributes == ("smile",)
    with pytest.raises(
        PackError, match=r"no pack 'nimi'; there are mini, tiny; accepted: mini, the"
    ):
        open_subject("nimi")
    with pytest.raises(PackError, match="portrait has no generator"):
        folder_of("portrait")


def test_the_portrait_is_shown_as_the_picture_with_its_code_moved() -> None:
    subject = open_subject("portrait")
    assert isinstance(subject, PortraitSubject)
    assert {"smile", "age", "gender", "weight"} <= set(subject.attributes)
    encoded = subject.encode(faces(2, 64))
    assert encoded.w.shape[:2] == (2, 1)
    same = subject.shown(encoded, 1, encoded.w[1:])
    torch.testing.assert_close(same[0], encoded.faces[1][0])
    move = subject.mover("direction", "weight")
    moved = subject.shown(encoded, 1, move(encoded.w[1:], torch.ones(1)))
    assert (moved[0] != encoded.faces[1][0]).any()
