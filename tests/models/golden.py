"""Weights made from tensor names, as the reference outputs were computed with."""

from __future__ import annotations

import json
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

SALT = 0x5EED


def name_seeded(key: str, shape: list[int], mean: float, std: float) -> Tensor:
    """Return the tensor that a key stands for."""
    generator = np.random.Generator(np.random.PCG64(zlib.crc32(key.encode()) ^ SALT))
    drawn = np.asarray(generator.standard_normal(shape, dtype=np.float32))
    # in place: the largest networks have a gigabyte of numbers
    np.multiply(drawn, np.float32(std), out=drawn)
    np.add(drawn, np.float32(mean), out=drawn)
    return torch.from_numpy(drawn)


def recipe_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a `<case>.recipe.json`; fixed buffers (null) are left out."""
    recipe = json.loads(path.read_text(encoding="utf-8"))["recipe"]
    drawn = {key: facts for key, facts in recipe.items() if facts is not None}
    with ThreadPoolExecutor() as pool:  # numpy draws without holding the interpreter
        return dict(
            zip(drawn, pool.map(lambda key: name_seeded(key, *drawn[key]), drawn), strict=True)
        )


def manifest_keys(path: Path) -> dict[str, tuple[int, ...]]:
    """Return key -> shape of a published layout."""
    keys = json.loads(path.read_text(encoding="utf-8"))["keys"]
    return {key: tuple(facts["shape"]) for key, facts in keys.items()}
