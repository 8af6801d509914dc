"""Safe reading and writing of weight files: tensors only, checked by SHA-256, nothing executed.

The embedded packs are safetensors files: a length, a JSON header, raw numbers. A file of any other
kind is named for what it is (a web page, a pickle that may carry code, a truncated download) and
refused.
"""

from __future__ import annotations

import hashlib
import importlib
import tomllib
from dataclasses import dataclass
from pathlib import Path

import safetensors
from torch import Tensor

from .base import WeightsError
from .tensorfile import write_tensors

_CHUNK_BYTES = 1 << 20


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits.

    Raises:
        WeightsError: the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    except OSError as e:
        raise WeightsError(f"cannot read the weight file {path}: {e}; reinstall visagist") from e
    return digest.hexdigest()


def load_safetensors(
    path: Path, *, expected_sha256: str | None = None
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors (CPU) and the text metadata of a safetensors file.

    Raises:
        WeightsError: the file is missing, is not safetensors, is damaged, or has another hash.
    """
    if not path.is_file():
        raise WeightsError(f"weight file missing: {path}; reinstall visagist or restore the file")
    if expected_sha256 is not None and (found := sha256_of(path)) != expected_sha256:
        raise WeightsError(
            f"weight file {path} is not the one expected: SHA-256 {found[:16]}…, "
            f"expected {expected_sha256[:16]}…; restore the file"
        )
    try:
        with safetensors.safe_open(path, framework="pt", device="cpu") as file:
            keys = list(file.keys())
            # Copied: a file that is cut or taken away meanwhile would kill the process.
            tensors = {key: file.get_tensor(key).clone() for key in keys}
            return tensors, dict(file.metadata() or {})
    except (safetensors.SafetensorError, OSError) as e:
        raise WeightsError(f"{path} is {describe_file(path)}, not a safetensors file: {e}") from e


def save_safetensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write tensors and text metadata; the file is there as a whole or not at all, and the same
    bytes for the same content.

    Raises:
        OSError: it cannot be written.
    """
    # Not the library's `save_file`: it writes the texts in another order every time, and renames a
    # file of its own, which is left over after a kill.
    write_tensors(path, {key: value.detach().cpu() for key, value in tensors.items()}, metadata)


def describe_file(path: Path) -> str:
    """Return in words what a file looks like from its first bytes, for error messages."""
    head = path.open("rb").read(512)
    if not head:
        return "an empty file"
    if head.lstrip()[:1] == b"<":
        return "a web page saved under this name (a refused or expired download)"
    if head[:2] == b"PK":
        return "a zip archive, as torch.save writes (a pickle inside may carry code)"
    if head[:1] == b"\x80":
        return "a Python pickle (it may carry code and is never executed)"
    return "a truncated or damaged file"


@dataclass(frozen=True, slots=True)
class WeightCard:
    """The facts of one weight file, as a family's `weights.toml` states them."""

    name: str
    family: str
    """The folder it lies in."""
    path: Path
    sha256: str
    use: str
    source: str
    licence: str
    commercial: bool
    """Whether the licence allows commercial use."""


def embedded() -> dict[str, WeightCard]:
    """Return the cards of the weight files that ship with the program, by name.

    Every folder of `models` states its own in `weights.toml`.
    """
    return {
        name: WeightCard(
            name=name, family=table.parent.name, path=table.parent / facts.pop("file"), **facts
        )
        for table in card_tables()
        for name, facts in tomllib.loads(table.read_text(encoding="utf-8")).items()
    }


def card_tables() -> list[Path]:
    """Return every family's `weights.toml`, in the order of the folders' names."""
    places = importlib.import_module(__package__).__path__
    tables = [table for place in places for table in Path(place).glob("*/weights.toml")]
    return sorted(tables, key=lambda table: table.parent.name)
