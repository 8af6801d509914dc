"""Recognise what judges pictures: face recognition, parsing, LPIPS, discriminators."""

from __future__ import annotations

import re

from .. import arcface, bisenet, encoders, lpips
from ..base import WeightsError
from ..packs.parts import NVIDIA, PARSING, PERCEPTION, RESEARCH, UNKNOWN, Facts, Part
from ..state_dicts import fill
from ..stylegan2.discriminator import Discriminator
from .found import KEYS_SHOWN, Found, State, tensors_of
from .recognise_generators import encoder_part


def bare_trunk(found: Found) -> tuple[Part, ...]:
    """A network on the IR-SE trunk without a prefix: an encoder, or face recognition."""
    state = tensors_of(found.content)
    if "input_layer.0.weight" not in state or "body.0.res_layer.0.weight" not in state:
        return ()
    if "output_layer.3.weight" in state:
        return (_recognition(state),)
    kind = found.hints.kind
    if not kind and "linear.weight" in state:
        kind = "w+" if any(key.startswith("output_layer_2.") for key in state) else "w"
    return (encoder_part(state, kind or encoders.kind_of(found.content), None, {}),)


def _recognition(state: State) -> Part:
    is_arcface = "output_layer.4.weight" in state
    arcface.load(state, arcface.ARCFACE if is_arcface else arcface.CURRICULARFACE)
    name = "ArcFace IR-SE50" if is_arcface else "CurricularFace IR-101"
    return Part("identity", f"{name}, face recognition", name.split()[0].lower(), state, UNKNOWN)


def parsing(found: Found) -> tuple[Part, ...]:
    """Return BiSeNet, which labels the parts of a face, if the file holds it."""
    state = tensors_of(found.content)
    if "cp.resnet.conv1.weight" not in state:
        return ()
    bisenet.load(state)
    return (Part("parsing", "BiSeNet face parsing, 19 labels", "bisenet", state, PARSING),)


def perception(found: Found) -> tuple[Part, ...]:
    """Return the heads or the trunk of LPIPS, if the file holds them."""
    state = tensors_of(found.content)
    is_heads, is_trunk = "lin0.model.1.weight" in state, "features.0.weight" in state
    if not is_heads and not is_trunk:
        return ()
    first = state["lin1.model.1.weight"] if is_heads else state["features.0.weight"]
    network: lpips.Network = "alex" if first.shape[1 if is_heads else 2] in (192, 11) else "vgg"
    kept = state if is_heads else {k: v for k, v in state.items() if k.startswith("features.")}
    wanted = lpips.expected_heads(network) if is_heads else lpips.expected_trunk(network)
    shapes = {key: tuple(value.shape) for key, value in kept.items()}
    if shapes != wanted:
        odd = sorted(set(shapes.items()) ^ set(wanted.items()))[:KEYS_SHOWN]
        raise WeightsError(f"not LPIPS {network}: {len(shapes)} tensors, at odds: {odd}")
    what = "heads" if is_heads else "features"
    title = f"LPIPS {what} ({network})"
    return (Part("lpips", title, f"lpips-{what}-{network}", kept, PERCEPTION, Facts(kind=network)),)


def discriminator(found: Found) -> tuple[Part, ...]:
    """Return a discriminator of codes or of pictures, if the file holds one."""
    state = tensors_of(found.content)
    if "mlp.0.weight" in state:
        fill(encoders.LatentDiscriminator, state, what="the latent discriminator of e4e")
        title = "latent discriminator of e4e"
        return (Part("discriminator", title, "latent-discriminator", state, RESEARCH),)
    if "final_linear.1.weight" not in state or "convs.0.0.weight" not in state:
        return ()
    blocks = sum(bool(re.fullmatch(r"convs\.\d+\.conv2\.1\.weight", key)) for key in state)
    size = 4 << blocks
    widths = {size: len(state["convs.0.0.weight"])}
    for block in range(1, blocks + 1):
        last = state.get(f"convs.{block}.conv2.1.weight")
        widths[size >> block] = 0 if last is None else len(last)
    fill(lambda: Discriminator(size, channels=widths), state, what="a StyleGAN2 discriminator")
    title = f"StyleGAN2 discriminator, {size} px"
    slug = f"stylegan2-discriminator-{size}"
    return (Part("discriminator", title, slug, state, NVIDIA, Facts(size=size)),)
