"""Say what a weight file is, by its content: keys, shapes, and the options stored beside them.

Keys alone do not tell a pSp from an e4e file, so the kind of an encoder is read from `opts`; the
attribute of a latent transformer stands only in its file's name. Every network is built and filled
before it is accepted, so missing, left-over and misshapen tensors are named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from torch import Tensor

from ..base import ModelInputError, WeightsError
from ..packs.parts import Part
from ..reading.checkpoint import Checkpoint
from ..reading.plain import Module
from .found import KEYS_SHOWN, Found, Hints
from .recognise_generators import generator, hypernetwork, merged, own_encoder
from .recognise_judges import bare_trunk, discriminator, parsing, perception
from .recognise_movers import classifier, components, direction, stated_direction, transformer

__all__ = ["Hints", "recognise"]

_KNOWN: Final = (
    "StyleGAN2 generators (rosinality, ADA), pSp, e4e, ReStyle, HyperStyle and hairstyle encoders, "
    "latent transformers (tnet_K.pth.tar) and their classifier, directions, GANSpace components, "
    "BiSeNet, ArcFace, CurricularFace, LPIPS"
)

_RULES: Final[tuple[Callable[[Found], tuple[Part, ...]], ...]] = (
    merged,
    generator,
    own_encoder,
    bare_trunk,
    hypernetwork,
    transformer,
    classifier,
    parsing,
    perception,
    discriminator,
    components,
    stated_direction,
)
"""In order; the first that finds something is right."""


def recognise(checkpoint: Checkpoint, hints: Hints | None = None) -> tuple[Part, ...]:
    """Return the networks a file holds, each checked against the network it claims to be.

    Raises:
        WeightsError: nothing known is in it, or its keys or shapes are not complete, or it does
            not say something that is needed (which attribute, which kind).
    """
    hints = hints or Hints()
    content, name = _opened(checkpoint.content), checkpoint.path.name
    try:
        if isinstance(content, Tensor):
            return (direction(content, name, hints),)
        if isinstance(content, Mapping):
            found = Found(content, name, checkpoint.texts, hints)
            for rule in _RULES:
                if parts := rule(found):
                    return parts
    except (WeightsError, ModelInputError) as e:
        raise WeightsError(f"{checkpoint.path}: {e}") from e
    raise WeightsError(
        f"{checkpoint.path} is not recognised: {_shape_of(content)}; known: {_KNOWN}"
    )


def _opened(content: Any) -> Any:
    """Return the content with ADA's networks as state dicts and DataParallel's prefix removed."""
    if isinstance(content, Module):
        return content.tensors()
    if not isinstance(content, Mapping):
        return content
    opened = {
        key: value.tensors() if isinstance(value, Module) else value
        for key, value in content.items()
    }
    if opened and all(isinstance(key, str) and key.startswith("module.") for key in opened):
        return {key.removeprefix("module."): value for key, value in opened.items()}
    return opened


def _shape_of(content: Any) -> str:
    if isinstance(content, Tensor):
        return f"one array of shape {tuple(content.shape)}"
    if isinstance(content, Mapping):
        shown = ", ".join(str(key) for key in list(content)[:KEYS_SHOWN])
        return f"{len(content)} entries ({shown}{', …' if len(content) > KEYS_SHOWN else ''})"
    return f"a {type(content).__name__}"
