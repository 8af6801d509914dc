"""Codes between two people, and codes in files: out to any program, and back."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import torch

from ..editors import Codes
from ..errors import InputError, OutputError, UsageError, reason
from ..files import write_whole
from ..npz import read_npz
from ..side_files import DAMAGE, in_words, read_bytes

_MOST_BYTES: Final = 4 << 30
"""A minute of codes of a large generator takes 55 MB."""


def between(first: Codes, second: Codes, share: float) -> Codes:
    """Return codes on the way from one person to another: w = w₁ + share · (w₂ − w₁).

    The states stay those of the first: they say how its face is in its frame, not who it is.

    Args:
        first: of N faces.
        second: of N faces, or of one for all, of the same pack.
        share: 0 is the first, exactly, 1 the second; beyond, they are driven apart.

    Raises:
        UsageError: the codes are of different packs.
    """
    if first.w.shape[1:] != second.w.shape[1:]:
        raise UsageError(
            f"codes {tuple(first.w.shape[1:])} and {tuple(second.w.shape[1:])} are of different "
            "packs; both clips must be opened with the same one"
        )
    return Codes(w=torch.lerp(first.w, second.w.expand_as(first.w), share), state=first.state)


def save_codes(path: Path | str, codes: Mapping[str, Codes], *, overwrite: bool = False) -> None:
    """Write codes by name to an .npz: `w` (N, L, D) and `state` (N, G) float32, `files` (N,) names.

    `numpy.load` reads it, and so do the training commands (`--codes`).

    Args:
        path: of the file.
        codes: of one face (N = 1) for each name, all of one pack.
        overwrite: replace an existing file.

    Raises:
        UsageError: there are none, or their shapes differ.
        OutputError: the file exists already or cannot be written.
    """
    shapes = {(tuple(c.w.shape), tuple(c.state.shape)) for c in codes.values()}
    if len(shapes) != 1 or next(iter(shapes))[0][0] != 1:
        raise UsageError(f"one code (1, L, D) for each name is needed, got {sorted(shapes)}")
    file = io.BytesIO()
    np.savez(
        file,
        w=torch.cat([c.w for c in codes.values()]).float().cpu().numpy(),
        state=torch.cat([c.state for c in codes.values()]).float().cpu().numpy(),
        files=np.array(list(codes)),
    )
    try:
        write_whole(Path(path), file.getvalue(), overwrite=overwrite)
    except OSError as e:
        raise OutputError(f"cannot write the codes {path}: {reason(e)}") from e


def load_codes(path: Path | str, *, device: torch.device | str = "cpu") -> dict[str, Codes]:
    """Return the codes (N = 1) of an .npz by name.

    What has no `files` is named by number, "0", "1"; what has no `state` gets an empty one (G = 0),
    enough for packs with transfer="replace".

    Raises:
        InputError: the file is missing, damaged, or holds no codes.
    """
    complaint = "cannot read the codes"
    data = read_bytes(Path(path), complaint, most=_MOST_BYTES, error=InputError)
    try:
        arrays = read_npz(
            io.BytesIO(data), most=_MOST_BYTES, names=("w", "state", "files"), texts=True
        )
        w = torch.tensor(arrays["w"], dtype=torch.float32, device=device)
        state = torch.tensor(arrays.get("state", np.zeros((len(w), 0))), dtype=torch.float32)
        names = [str(name) for name in arrays.get("files", np.arange(len(w)))]
        whole = Codes(w=w, state=state.to(device))
        if len(names) != len(w):
            raise ValueError(f"{len(w)} codes with {len(names)} names")
        if not bool(w.isfinite().all() and state.isfinite().all()):
            raise ValueError("a number is not finite")
    except DAMAGE as e:
        raise InputError(
            f"{complaint} {path}: {in_words(e)}; accepted is an .npz with w (N, L, D), and state "
            "(N, G) and files (N,), as `save_codes` writes it"
        ) from e
    rows = range(len(names))
    return {names[n]: Codes(whole.w[n : n + 1], whole.state[n : n + 1]) for n in rows}
