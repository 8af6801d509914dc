"""dlib's own file of its face recognition, read for its numbers; nothing in it is run.

dlib writes a network layer by layer, from the input on: the layer's name as a string, then what the
layer holds; whole numbers as a byte with their length and sign, then their bytes; of a tensor the
version 2, four sizes and float32 values, all little-endian. The layers with weights are found by
their names, and every size is checked against the network they are for.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..base import WeightsError
from .net import FaceResnet

_NAMED = re.compile(rb"\x01(?:\x05con_4|\x07affine_|\x04fc_2)")
"""A string: its length as a number of one byte, then its letters."""
_TENSOR_VERSION = 2


def read_resnet(path: Path) -> FaceResnet:
    """Return the network of `dlib_face_recognition_resnet_model_v1.dat`, float32 on the CPU.

    Raises:
        WeightsError: the file cannot be read, or holds another network.
    """
    try:
        data = path.read_bytes()
    except OSError as e:
        raise WeightsError(f"cannot read the face recognition {path}: {e.strerror or e}") from e
    net = FaceResnet()
    layers = _layers(data)
    try:
        with torch.no_grad():
            for layer in net.convolutions():
                assert layer.conv.bias is not None
                _fill(next(layers), layer.conv.weight, layer.conv.bias)
                _fill(next(layers), layer.gamma, layer.beta)
            weights = next(layers)
            _fill(weights, turned := torch.empty(net.head.weight.T.shape))
            net.head.weight.copy_(turned.T)
    except (StopIteration, IndexError, ValueError) as e:
        raise WeightsError(
            f"{path} is not dlib's face recognition (dlib_face_recognition_resnet_model_v1.dat): "
            f"{str(e) or 'it ends before its last layer'}"
        ) from e
    return net.requires_grad_(requires_grad=False)


def _fill(values: Tensor, *parts: Tensor) -> None:
    """Copy the numbers of one layer into its parts, in order."""
    expected = sum(part.numel() for part in parts)
    if len(values) != expected:
        raise ValueError(f"a layer has {len(values)} numbers, not {expected}")
    for part, numbers in zip(parts, torch.split(values, [p.numel() for p in parts]), strict=True):
        part.copy_(numbers.reshape(part.shape))


def _layers(data: bytes) -> Iterator[Tensor]:
    """Yield the numbers of every layer that has weights, in the file's order."""
    place = 0
    while found := _NAMED.search(data, place):
        place = found.end()
        if found.group().endswith(b"fc_2"):
            _, place = _whole(data, place)  # outputs
            _, place = _whole(data, place)  # inputs
        values, place = _tensor(data, place)
        yield values


def _tensor(data: bytes, place: int) -> tuple[Tensor, int]:
    version, place = _whole(data, place)
    if version != _TENSOR_VERSION:
        raise ValueError(f"a tensor of version {version}, not {_TENSOR_VERSION}")
    sizes = []
    for _ in range(4):
        size, place = _whole(data, place)
        sizes.append(size)
    count = math.prod(sizes)
    if count < 0 or place + 4 * count > len(data):
        raise ValueError("it ends within a layer")
    values = np.frombuffer(data, "<f4", count, place)
    return torch.from_numpy(values.astype(np.float32)), place + 4 * count


def _whole(data: bytes, place: int) -> tuple[int, int]:
    """Return a whole number and the place behind it."""
    length = data[place] & 0x0F
    behind = place + 1 + length
    value = int.from_bytes(data[place + 1 : behind], "little")
    return (-value if data[place] & 0x80 else value), behind
