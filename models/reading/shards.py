"""Weights that were split into several safetensors files, by the index beside them.

`model.safetensors.index.json` says in which of `model-00001-of-00003.safetensors` and so on each
tensor is.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import safetensors
from torch import Tensor

from ..base import WeightsError

INDEX_SUFFIX: Final = ".safetensors.index.json"

_SHARD: Final = re.compile(r"(?P<stem>.+)-\d{5}-of-(?P<count>\d{5})\.safetensors")
_INDEX_BYTES: Final = 64_000_000
_SHOWN: Final = 3


def refuse_shard(path: Path) -> None:
    """Refuse one of several files: alone it is no network.

    Raises:
        WeightsError: it is one; the message names the index.
    """
    found = _SHARD.fullmatch(path.name)
    if found is not None and int(found["count"]) > 1:
        index = f"{found['stem']}{INDEX_SUFFIX}"
        raise WeightsError(
            f"{path} is one of {int(found['count'])} files of the same weights; put all of them "
            f"into one folder with their index, and give that: {path.with_name(index)}"
        )


def read_sharded(index: Path) -> tuple[dict[str, Tensor], dict[str, str], tuple[Path, ...]]:
    """Return the tensors of all files that an index names, their text metadata, and the files.

    Raises:
        WeightsError: the index or a file is missing, damaged, or not what the index says.
    """
    places = _weight_map(index)
    tensors: dict[str, Tensor] = {}
    texts: dict[str, str] = {}
    files = tuple(index.with_name(name) for name in dict.fromkeys(places.values()))
    if missing := [file.name for file in files if not file.is_file()]:
        raise WeightsError(
            f"{index} names {len(files)} files, and {len(missing)} of them are not beside it: "
            f"{', '.join(missing[:_SHOWN])}; bring them, too"
        )
    for file in files:
        with safetensors.safe_open(file, framework="pt", device="cpu") as shard:
            there = set(shard.keys())
            wanted = [key for key, name in places.items() if name == file.name]
            if lost := [key for key in wanted if key not in there]:
                raise WeightsError(
                    f"{file} lacks {len(lost)} tensors that {index.name} says are in it "
                    f"({', '.join(lost[:_SHOWN])}); they are not of one download"
                )
            tensors |= {key: shard.get_tensor(key) for key in wanted}
            texts |= dict(shard.metadata() or {})
    return tensors, texts, files


def _weight_map(index: Path) -> dict[str, str]:
    """Return in which file each tensor is.

    Raises:
        WeightsError: the index is no such index, or names files elsewhere.
    """
    try:
        if index.stat().st_size > _INDEX_BYTES:
            raise ValueError("it is too large")
        content: Any = json.loads(index.read_text(encoding="utf-8"))
        places = content["weight_map"]
        pairs = [(str(key), str(name)) for key, name in places.items()]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as e:
        raise WeightsError(f"{index} is no index of safetensors files: {e}") from e
    if not pairs:
        raise WeightsError(f"{index} names no tensors")
    for _, name in pairs:
        if Path(name).name != name or "\\" in name or not name.endswith(".safetensors"):
            raise WeightsError(f"{index} names {name!r}; accepted are files beside it")
    return dict(pairs)
