"""What files of LPIPS look like: the heads, and the network they were learnt on."""

from __future__ import annotations

from ..base import WeightsError
from ..parts import KEYS_SHOWN, Contents, Facts, Licence, Part
from .net import Network, expected

KNOWN = "LPIPS"
ROLES = ("lpips",)

LICENCE = Licence("BSD", commercial=True)
"""Of the published files, which say nothing of it."""


def detect(contents: Contents) -> bool:
    """Return whether a file holds heads, or features of AlexNet or VGG-16."""
    return not {"lin0.model.1.weight", "features.0.weight"}.isdisjoint(contents.tensors)


def parts(contents: Contents) -> tuple[Part, ...]:
    """Return the half of LPIPS in a file that `detect` has approved.

    Raises:
        WeightsError: keys or shapes are not those of the network.
    """
    state = contents.tensors
    is_heads = "lin0.model.1.weight" in state
    first = state.get("lin1.model.1.weight") if is_heads else state["features.0.weight"]
    width = first.shape[1 if is_heads else 2] if first is not None and first.ndim == 4 else 0
    network: Network = "alex" if width in (192, 11) else "vgg"
    half = state if is_heads else {k: v for k, v in state.items() if k.startswith("features.")}
    wanted = expected(network, "lin" if is_heads else "features.")
    shapes = {key: tuple(value.shape) for key, value in half.items()}
    if shapes != wanted:
        odd = sorted(set(shapes.items()) ^ set(wanted.items()))[:KEYS_SHOWN]
        raise WeightsError(f"not LPIPS {network}: {len(shapes)} tensors, at odds: {odd}")
    what = "heads" if is_heads else "features"
    title, slug = f"LPIPS {what} ({network})", f"lpips-{what}-{network}"
    return (Part("lpips", title, slug, half, LICENCE, Facts(kind=network)),)
