"""The commands `encode` and `time` of `python -m models.encoder_recipe`.

`encode` turns a folder of aligned faces into codes, which latent transformers, classifiers and
directions are trained on. `time` measures the prepared encoder against its plain twin.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
import torch

from ..base import ModelError
from ..encoders import Encoder, FastEncoder, untrained
from ..files import opened_whole
from ..packs.naming import HELP, open_named
from ..state_dicts import randomised
from .picture_folder import pictures_in


def add_encode_options(command: argparse.ArgumentParser) -> None:
    """Add the options of `encode`."""
    command.add_argument("--pack", required=True, help=HELP)
    command.add_argument("--data", type=Path, required=True, help="folder of aligned square faces")
    command.add_argument("--out", type=Path, required=True, help=".npz to write: w and files")
    command.add_argument("--batch", type=int, default=8)


def run_encode(options: argparse.Namespace) -> dict[str, object]:
    """Write the codes `w` (N, L, D) float32 and the names `files` (N,) of a folder's pictures, in
    the order of their names; return how many there are.

    Raises:
        ModelError: the pack or a picture cannot be used, or the file cannot be written.
    """
    pack = open_named(options.pack)
    pictures = pictures_in(options.data, pack.encoder_size)
    rows = range(len(pictures))
    codes = [
        pack.encode(pictures.batch(rows[start : start + options.batch])).numpy()
        for start in rows[:: options.batch]
    ]
    names = [path.relative_to(options.data).as_posix() for path in pictures.paths]
    w = np.concatenate(codes)
    try:
        with opened_whole(options.out) as file:
            np.savez(file, w=w, files=np.array(names))
    except OSError as e:
        raise ModelError(f"cannot write {options.out}: {e}") from e
    return {"codes": len(w), "layers": w.shape[1], "dimensions": w.shape[2]}


def add_time_options(command: argparse.ArgumentParser) -> None:
    """Add the options of `time`."""
    command.add_argument("--threads", type=int, default=1)
    command.add_argument("--rounds", type=int, default=5)
    command.add_argument("--batch", type=int, default=1)


def run_time(options: argparse.Namespace) -> dict[str, object]:
    """Return the times of the published pSp encoder with random weights; see `time_variants`."""
    torch.set_num_threads(options.threads)
    plain = randomised(lambda: untrained("psp"), seed=0, spread=0.0)
    return dict(time_variants(plain, rounds=options.rounds, batch=options.batch))


@torch.inference_mode()
def time_variants(plain: Encoder, *, rounds: int, batch: int) -> dict[str, dict[str, float]]:
    """Return how long an encoder takes, plain and prepared in two precisions.

    The variants take turns in one process, so that a busy machine slows all of them. `seconds` is
    processor time per picture, `ratio` how many times less than the plain one, both medians over
    the rounds; `relative_error` is of the codes.
    """
    variants: dict[str, Encoder | FastEncoder] = {
        "plain float32": plain,
        "prepared float32": FastEncoder(plain),
        "prepared bfloat16": FastEncoder(plain, torch.bfloat16),
    }
    x = torch.rand(batch, plain.channels, plain.size, plain.size) * 2 - 1
    spent: dict[str, list[float]] = {name: [] for name in variants}
    codes = {name: encoder(x) for name, encoder in variants.items()}
    for _ in range(rounds):
        for name, encoder in variants.items():
            start = time.process_time()
            encoder(x)
            spent[name].append((time.process_time() - start) / batch)
    first, own = codes["plain float32"], spent["plain float32"]
    return {
        name: {
            "seconds": statistics.median(taken),
            "ratio": statistics.median(a / b for a, b in zip(own, taken, strict=True)),
            "relative_error": float((codes[name] - first).norm() / first.norm()),
        }
        for name, taken in spent.items()
    }
