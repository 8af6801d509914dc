"""Codes of a folder of faces, and the timing of the prepared encoder."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from models.encoder_recipe.__main__ import main
from models.encoder_recipe.picture_folder import pictures_in
from models.encoder_recipe.tools import time_variants
from models.encoders import tiny as tiny_encoder
from models.encoders.tiny import TINY
from models.packs.opening import open_pack
from models.packs.packfile import EncoderEntry, GeneratorEntry, PackFile, write_pack_file
from models.stylegan2.net import Generator
from models.training.codes import read_codes
from models.weights import save_safetensors


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    folder = tmp_path / "pack"
    folder.mkdir()
    torch.manual_seed(0)
    generator = Generator(
        32, style_dim=16, mapping_layers=2, channels=dict.fromkeys((4, 8, 16, 32), 8)
    )
    save_safetensors(folder / "generator.safetensors", dict(generator.state_dict()), {})
    encoder = tiny_encoder("psp").state_dict() | {"latent_avg": torch.full((8, 16), 0.5)}
    save_safetensors(folder / "encoder.safetensors", encoder, {})
    trunk = TINY.trunk
    entry = EncoderEntry(
        "encoder.safetensors",
        "psp",
        size=TINY.size,
        widths=trunk.widths,
        units=trunk.units,
        reduction=trunk.reduction,
    )
    facts = PackFile("tiny", "CC0", True, GeneratorEntry("generator.safetensors", 32), entry)
    write_pack_file(facts, folder)
    return folder


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    folder = tmp_path / "faces"
    folder.mkdir()
    random = np.random.default_rng(3)
    for name in ("b", "a", "c"):
        cv2.imwrite(str(folder / f"{name}.png"), random.integers(0, 255, (32, 32, 3)))
    return folder


def test_a_folder_becomes_codes_in_the_order_of_the_names(
    pack: Path, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "codes.npz"
    command = ["encode", "--pack", str(pack), "--data", str(faces), "--out", str(out)]
    assert main([*command, "--batch", "2"]) == 0
    assert json.loads(capsys.readouterr().out) == {"codes": 3, "layers": 8, "dimensions": 16}
    assert list(np.load(out)["files"]) == ["a.png", "b.png", "c.png"]
    alone = open_pack(pack).encode(pictures_in(faces, 32).batch([2]))
    torch.testing.assert_close(read_codes(out)[2:], alone, atol=1e-5, rtol=1e-5)


def test_a_folder_without_pictures_is_refused(
    pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "codes.npz"
    assert main(["encode", "--pack", str(pack), "--data", str(pack), "--out", str(out)]) == 1
    assert "holds 0 pictures" in capsys.readouterr().err
    assert not out.exists()


def test_the_timing_compares_each_variant_with_the_plain_one() -> None:
    measured = time_variants(tiny_encoder("e4e"), rounds=3, batch=2)
    assert list(measured) == ["plain float32", "prepared float32", "prepared bfloat16"]
    assert measured["plain float32"]["ratio"] == 1
    assert measured["plain float32"]["relative_error"] == 0
    assert measured["prepared float32"]["relative_error"] < 1e-5
    assert 1e-4 < measured["prepared bfloat16"]["relative_error"] < 0.02
    assert all(figures["seconds"] > 0 for figures in measured.values())
