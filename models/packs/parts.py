"""What weight files hold: the kinds of networks that can be brought, and their licences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from torch import Tensor

Role = Literal[
    "generator",
    "encoder",
    "latent-transformer",
    "direction",
    "pca",
    "classifier",
    "parsing",
    "identity",
    "lpips",
    "hypernetwork",
    "hairstyle-encoder",
    "discriminator",
]
"""What a network is for."""

IN_PACKS: Final[frozenset[Role]] = frozenset(
    ("generator", "encoder", "latent-transformer", "direction", "pca", "classifier", "parsing")
)
"""Roles that a pack has a place for; the others are used by training and evaluation."""

MOVERS: Final[frozenset[Role]] = frozenset(("latent-transformer", "direction", "pca"))
"""Roles that belong to the codes of one generator."""


@dataclass(frozen=True, slots=True)
class Licence:
    """Under which terms weights may be used."""

    name: str
    commercial: bool = False
    """Whether it allows commercial use; what is unknown counts as not allowed."""


UNKNOWN: Final = Licence("unknown, treat as non-commercial")
NVIDIA: Final = Licence("NVIDIA Source Code License, non-commercial")
RESEARCH: Final = Licence("research, non-commercial (trained with NVIDIA's StyleGAN2 and FFHQ)")
INTERDIGITAL: Final = Licence("InterDigital evaluation licence, non-commercial, no redistribution")
HAIRSTYLE: Final = Licence("CC BY-NC 4.0")
PARSING: Final = Licence("MIT code, trained on non-commercial faces")
PERCEPTION: Final = Licence("BSD", commercial=True)
"""Files say nothing of their licence: these are the terms of what was published in that shape."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a network beside its tensors; only what applies is set."""

    size: int = 0
    """Side of the pictures it makes or takes, px."""
    layers: int = 0
    """Rows L of the W+ codes it makes, takes or moves; 0 if it takes any."""
    code: int = 0
    """Dimensions D of a row."""
    kind: str = ""
    """Which encoder, which trunk."""
    channels: int = 3
    """Of the pictures an encoder takes."""
    widths: tuple[int, ...] = ()
    """Of an encoder's trunk, if not the published ones."""
    units: tuple[int, ...] = ()
    """Of an encoder's trunk, if not the published ones."""
    start_from_latent_avg: bool = True
    """Whether the mean code is added to an encoder's output."""
    attribute: str = ""
    """Which one it moves."""
    summary: str = ""
    """What strength +1 does."""
    aliases: tuple[str, ...] = ()
    low: float = -2.0
    high: float = 2.0
    experimental: bool = False
    unit: float = 1.0
    """What the strength is multiplied with."""
    rows: tuple[int, int] | None = None
    """W+ rows that move."""
    inputs: int = 0
    """Numbers L·D of the codes a classifier reads."""
    components: int = 0
    """How many principal components it holds."""
    labels: tuple[str, ...] = ()
    """What a classifier's logits stand for."""
    generator: str = ""
    """Id of the latent space it belongs to."""


@dataclass(frozen=True, slots=True)
class Part:
    """One network found in a file: verified, in the keys this program uses."""

    role: Role
    title: str
    """In words: "pSp encoder, 256 px to 18 rows"."""
    slug: str
    """Beginning of its name in the store."""
    tensors: Mapping[str, Tensor]
    licence: Licence = UNKNOWN
    facts: Facts = field(default_factory=Facts)
    left_aside: tuple[str, ...] = ()
    """What else the file holds that is of no use here (an optimizer's state)."""
