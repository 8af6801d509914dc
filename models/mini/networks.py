"""The two networks of `mini`, how they are trained (options), and a run's networks read back."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from torch import Tensor

from ..base import ModelError
from ..encoders.small import SmallEncoder
from ..parts import below
from ..stylegan2.net import Generator
from ..weights import load_safetensors
from .augment import AugmentOptions

CHANNELS: Final = {4: 128, 8: 128, 16: 128, 32: 96, 64: 48, 128: 24}
"""Widths of the generator per resolution."""

CHECKPOINT: Final = "checkpoint.safetensors"
"""In the folder of a run."""


@dataclass(frozen=True, slots=True)
class MiniOptions:
    """How `mini` is trained."""

    steps: int = 6400
    seed: int = 0
    size: int = 128
    """Side of the pictures [px]."""
    style_dim: int = 128
    faces: int = 14
    """Rated pictures per step."""
    triples: int = 2
    """Faces per step whose three levels of one attribute are shown."""
    generator_rate: float = 1e-2
    encoder_rate: float = 1e-3
    noise: float = 0.1
    """Standard deviation of the noise on codes."""
    compact: float = 0.003
    """Weight of `code_loss`."""
    rounds: int = 3
    """How many varied versions of each face are drawn from."""
    looked_at: int = 4000
    """Varied faces that the encoder's linear look is fitted on."""
    augment: AugmentOptions = field(default_factory=AugmentOptions)
    growth: tuple[tuple[float, int], ...] = ((0.46875, 32), (0.78125, 64))
    """Until which share of the steps pictures are only generated up to which side [px]."""
    channels: dict[int, int] = field(default_factory=lambda: dict(CHANNELS))
    width: int = 40
    """Of the encoder."""
    bottleneck: int = 192
    components: int = 256
    closely_from: float = 0.5
    """Share of the steps after which the encoder's convolutions join its linear look."""
    averaging: float = 0.997
    """Of the weights that are kept: exponential moving average per step."""
    half: bool = True
    """bfloat16 where precision does not matter."""


def new_networks(options: MiniOptions) -> tuple[Generator, SmallEncoder]:
    """Return a generator without mapping network, and its encoder, with random weights."""
    generator = Generator(
        options.size, style_dim=options.style_dim, mapping_layers=0, channels=options.channels
    )
    encoder = SmallEncoder(
        options.size,
        generator.layers,
        options.style_dim,
        width=options.width,
        bottleneck=options.bottleneck,
        components=options.components,
    )
    return generator, encoder


def load_networks(folder: Path) -> tuple[Generator, SmallEncoder]:
    """Return the averaged networks of a run, finished or not, in evaluation mode.

    Raises:
        ModelError: the folder holds no checkpoint of such a run.
    """
    tensors, texts = load_safetensors(folder / CHECKPOINT)
    recipe = json.loads(texts.get("recipe", "{}"))
    if recipe.get("what") != "mini":
        raise ModelError(f"{folder / CHECKPOINT} is no checkpoint of `mini`; it says {recipe}")
    options = MiniOptions(
        size=recipe["size"],
        style_dim=recipe["style_dim"],
        channels={int(side): width for side, width in recipe["channels"].items()},
        width=recipe["width"],
        bottleneck=recipe["bottleneck"],
        components=recipe["components"],
    )
    generator, encoder = new_networks(options)
    for name, module in (("kept_generator", generator), ("kept_encoder", encoder)):
        module.load_state_dict(below(tensors, f"module.{name}."))
        module.eval().requires_grad_(False)
    return generator, encoder


def rendered(generator: Generator, w: Tensor, side: int) -> Tensor:
    """Return the picture a generator has formed at some resolution: (N, 3, side, side) float32,
    without noise. At its full side that is the picture itself."""
    styles = generator.styles(w)
    x = generator.conv1(generator.input(len(w)), styles[0], None, "fast")
    image: Tensor = generator.to_rgb1(x, styles[1], None, "fast")
    for block in range(side.bit_length() - 3):
        first, second, colour = styles[2 + 3 * block : 5 + 3 * block]
        x = generator.convs[2 * block](x, first, None, "fast")
        x = generator.convs[2 * block + 1](x, second, None, "fast")
        image = generator.to_rgbs[block](x, colour, image, "fast")
    return image
