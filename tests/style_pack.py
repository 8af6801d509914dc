"""A StyleGAN2 pack made of random numbers, small enough to run in a blink."""

from __future__ import annotations

from pathlib import Path

import torch

from models.encoders import tiny as tiny_encoder
from models.encoders.tiny import TINY
from models.latent_transformer import WPlusTransformer
from models.packs.packfile import (
    EncoderEntry,
    GeneratorEntry,
    MoverEntry,
    PackFile,
    write_pack_file,
)
from models.stylegan2.net import Generator
from models.weights import save_safetensors

SIZE, LAYERS, DIMENSIONS = 32, 8, 16
ATTRIBUTES = ("smile", "bangs")


def write_tiny_pack(folder: Path, name: str = "tiny") -> Path:
    """Write generator, encoder and two latent transformers into a folder; return it."""
    folder.mkdir(parents=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        channels = dict.fromkeys((4, 8, 16, 32), 8)
        net = Generator(SIZE, style_dim=DIMENSIONS, mapping_layers=2, channels=channels)
        faint = {
            k: 0.3 * v for k, v in net.state_dict().items() if "rgb" in k and "kernel" not in k
        }
        state = net.state_dict() | faint
        save_safetensors(folder / "generator.safetensors", state, {})
        movers = {
            f"{attribute}.{k}": v
            for attribute in ATTRIBUTES
            for k, v in WPlusTransformer(LAYERS, DIMENSIONS).state_dict().items()
        }
    save_safetensors(folder / "movers.safetensors", movers, {})
    encoder = tiny_encoder("psp").state_dict() | {"latent_avg": torch.full((8, 16), 0.5)}
    save_safetensors(folder / "encoder.safetensors", encoder, {})
    entries = tuple(
        MoverEntry(
            "latent-transformer", attribute, "movers.safetensors", prefix=f"{attribute}.", unit=3.0
        )
        for attribute in ATTRIBUTES
    )
    pack = PackFile(
        name=name,
        licence="CC0",
        commercial=True,
        generator=GeneratorEntry("generator.safetensors", SIZE),
        encoder=EncoderEntry(
            "encoder.safetensors",
            "psp",
            size=TINY.size,
            widths=TINY.trunk.widths,
            units=TINY.trunk.units,
            reduction=TINY.trunk.reduction,
        ),
        movers=entries,
    )
    write_pack_file(pack, folder)
    return folder
