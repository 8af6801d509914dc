"""The options and the work of `python -m models.encoder_recipe train`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, get_args

from torch import Tensor

from ..arcface import Identity
from ..arcface.net import load as load_recognition
from ..base import ModelError
from ..encoders import EncoderShape, Kind
from ..lpips.net import load as load_lpips
from ..ops.irse import TrunkShape
from ..reading.checkpoint import read_checkpoint
from ..reading.unwrapping import unwrapped
from ..stylegan2 import layouts
from ..stylegan2.generator_id import generator_id
from ..stylegan2.net import Generator
from ..training.command import add_checkpoint_options, checkpoint_of
from ..training.place import Place, add_place_options, place_of
from ..training.steps import Report, write_metrics
from ..weights import save_safetensors
from .picture_folder import open_pictures
from .train import EncoderOptions, EncoderRun, Judges, measure_encoder, train_encoder

_KINDS: tuple[Kind, ...] = get_args(Kind)
_PUBLISHED_TRUNK = TrunkShape()


def add_options(command: argparse.ArgumentParser) -> None:
    """Add the options of `train`."""
    default = EncoderOptions()
    command.add_argument("--generator", type=Path, required=True, help="StyleGAN2, stays as it is")
    command.add_argument("--data", type=Path, required=True, help="folder of aligned square faces")
    command.add_argument(
        "--out", type=Path, required=True, help="safetensors file to write, float32"
    )
    command.add_argument("--kind", choices=_KINDS, default=default.kind)
    command.add_argument("--size", type=int, default=default.shape.size, help="input side, px")
    command.add_argument("--widths", help="5 trunk widths, e.g. 16,16,32,64,128")
    command.add_argument("--units", help="4 trunk depths, e.g. 1,1,2,1")
    command.add_argument("--steps", type=int, default=default.steps)
    command.add_argument("--batch", type=int, default=default.batch)
    command.add_argument("--lr", type=float, default=default.lr)
    command.add_argument("--every", type=int, default=default.every, help="steps per checkpoint")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--code-norm", type=float, default=default.code_norm)
    add_place_options(command)
    command.add_argument("--start", type=Path, help="weights for the trunk: model_ir_se50.pth")
    perception = command.add_mutually_exclusive_group(required=True)
    perception.add_argument(
        "--lpips", type=Path, nargs=2, metavar=("HEADS", "ALEXNET"), help="files of LPIPS"
    )
    perception.add_argument("--no-lpips", action="store_true", help="train without it")
    identity = command.add_mutually_exclusive_group(required=True)
    identity.add_argument("--arcface", type=Path, help="model_ir_se50.pth")
    identity.add_argument("--no-identity", action="store_true", help="train without it")
    add_checkpoint_options(command)
    command.add_argument("--licence", default="", help="of the data, kept in the file")


def run_training(options: argparse.Namespace, report: Report) -> dict[str, object]:
    """Train, measure and write an encoder; return the metrics.

    Raises:
        ModelError: a file, the data or an option cannot be used.
    """
    generator, average = _generator(options.generator)
    chosen = _chosen(options, generator)
    checkpoint, place = checkpoint_of(options), place_of(options)
    run = EncoderRun(
        generator=generator,
        latent_avg=average,
        pictures=open_pictures(options.data, options.size),
        judges=_judges(options, place),
        place=place,
        report=report,
        checkpoint=checkpoint,
        start=_state(options.start) if options.start else {},
    )
    encoder, history = train_encoder(chosen, run)
    facts = {
        "kind": chosen.kind,
        "size": str(chosen.shape.size),
        "generator": generator_id(generator.cpu().state_dict()),
        "licence": options.licence,
    }
    trunk = chosen.shape.trunk
    texts = {
        **facts,
        "widths": ",".join(str(width) for width in trunk.widths),
        "units": ",".join(str(count) for count in trunk.units),
    }
    save_safetensors(options.out, {**encoder.state_dict(), "latent_avg": average}, texts)
    metrics: dict[str, object] = {
        **facts,
        "pictures": len(run.pictures.kept),
        "lpips": run.judges.lpips is not None,
        "identity": run.judges.identity is not None,
        "held_out": measure_encoder(encoder, chosen, run),
        "history": history,
    }
    write_metrics(options.out.with_suffix(".json"), metrics)
    checkpoint.unlink(missing_ok=True)
    return metrics


def _chosen(options: argparse.Namespace, generator: Generator) -> EncoderOptions:
    iterative = options.kind in ("restyle-psp", "restyle-e4e")
    widths = _numbers(options.widths, "--widths", 5) or _PUBLISHED_TRUNK.widths
    units = _numbers(options.units, "--units", 4) or _PUBLISHED_TRUNK.units
    trunk = TrunkShape(channels=6 if iterative else 3, widths=widths, units=units)
    return EncoderOptions(
        kind=options.kind,
        shape=EncoderShape(options.size, generator.layers, generator.style_dim, trunk),
        steps=options.steps,
        batch=options.batch,
        lr=options.lr,
        seed=options.seed,
        code_norm=options.code_norm,
        every=options.every,
    )


def _generator(path: Path) -> tuple[Generator, Tensor]:
    """Return a generator and its mean code (L, D), found by sampling if the file states none."""
    found = layouts.find_generator(_mapping(path))
    generator = layouts.build(found.tensors)
    average = found.w_avg if found.w_avg is not None else generator.mean_w()
    rows = average if average.ndim == 2 else average[None]
    return generator, rows.expand(generator.layers, -1).contiguous()


def _judges(options: argparse.Namespace, place: Place) -> Judges:
    lpips = identity = None
    if options.lpips:
        heads, trunk = (_state(path) for path in options.lpips)
        lpips = load_lpips(trunk, heads).to(place.device)
    if options.arcface:
        identity = Identity(load_recognition(_state(options.arcface))).to(place.device)
    return Judges(lpips, identity)


def _state(path: Path) -> dict[str, Tensor]:
    return {key: value for key, value in _mapping(path).items() if isinstance(value, Tensor)}


def _mapping(path: Path) -> dict[str, Any]:
    content = unwrapped(read_checkpoint(path).content)
    if not isinstance(content, dict):
        raise ModelError(f"{path} holds a {type(content).__name__}, expected named tensors")
    return content


def _numbers(text: str | None, option: str, count: int) -> Any:
    """Return `count` whole numbers separated by commas, or None."""
    if text is None:
        return None
    parts = text.split(",")
    if len(parts) != count or not all(part.isdigit() and int(part) > 0 for part in parts):
        raise ModelError(f"{option} {text!r} must be {count} whole numbers separated by commas")
    return tuple(int(part) for part in parts)
