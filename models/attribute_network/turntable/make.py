"""Make a turntable: choose who sits, photograph who is missing, put the arrays together."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import torch

from ...base import ModelError
from ...head.basis import Head
from ...head.ict import read_ict
from .anatomy import Anatomy
from .captures import Captures, capture
from .card import write_card
from .folder import Folder, Options, Split, check_options, sha256
from .sheet import write_sheet
from .sitters import PARTS, POINTS, Sitters

Told = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Studio:
    """What every sitter needs."""

    head: Head
    anatomy: Anatomy
    sitters: Sitters

    @staticmethod
    def of(data: Path) -> _Studio:
        """Open the studio for a data folder.

        Raises:
            ModelError: it lacks something.
        """
        head = read_ict(_ict(data))
        return _Studio(head, Anatomy.of(head), Sitters(data, head))

    def photograph(self, number: int, options: Options) -> Captures:
        """Return the pictures of a sitter."""
        sitter = self.sitters.sit(number)
        return capture(
            sitter, self.head, self.anatomy, seed=options.seed, captures=options.captures
        )


def _ict(data: Path) -> Path:
    return data / "ict/ict_face_light.npz"


def _check_data(data: Path) -> None:
    """Raise a ModelError if a data folder lacks a part."""
    if not data.is_dir():
        raise ModelError(f"there is no data folder {data}; name the one that holds ict and omi")
    wanted = [_ict(data), *(data / "omi" / name for name in ("images", POINTS, PARTS))]
    if missing := [str(path.relative_to(data)) for path in wanted if not path.exists()]:
        raise ModelError(
            f"the data folder {data} lacks {', '.join(missing)}; take the whole of ict and omi"
        )


def make_turntable(
    data: Path, out: Path, options: Options, *, workers: int = 1, told: Told
) -> dict[str, object]:
    """Make a turntable, or go on with one; return what there is.

    The pictures do not depend on how many workers take them, nor on how often the run was broken
    off.

    Args:
        data: folder with `ict` and `omi`.
        out: folder of the turntable.
        options: what decides the pictures.
        workers: processes.
        told: hears how far it is.

    Raises:
        ModelError: the data lack something, there are fewer faces than asked for, or `out` holds
            something else.
    """
    _check_data(data)
    check_options(out, options)
    studio = _Studio.of(data)
    numbers = studio.sitters.choose(options.faces)
    folder = Folder(out, options, Split.of(numbers), _inputs(data, studio.sitters, numbers))
    missing = folder.missing()
    for k, (number, taken) in enumerate(_photographed(studio, data, missing, options, workers)):
        folder.keep(number, taken)
        told(f"{k + 1}/{len(missing)} faces (picture {number})")
    if not folder.finished:
        folder.put_together(told)
    write_sheet(out, out / "sheet.png")
    write_card(out, folder.split, options)
    return {"turntable": str(out), "train": len(folder.split.train), "test": len(folder.split.test)}


def _inputs(data: Path, sitters: Sitters, numbers: Sequence[int]) -> dict[str, str]:
    return {
        "ict": sha256([_ict(data)]),
        "points": sha256([data / "omi" / POINTS]),
        "parts": sha256([data / "omi" / PARTS]),
        "pictures": sha256(sitters.picture(number) for number in numbers),
    }


def _photographed(
    studio: _Studio, data: Path, numbers: Sequence[int], options: Options, workers: int
) -> Iterator[tuple[int, Captures]]:
    """Yield sitters with their pictures, in order."""
    if workers <= 1 or len(numbers) < 2:
        for number in numbers:
            yield number, studio.photograph(number, options)
        return
    jobs = [(number, options) for number in numbers]
    context = multiprocessing.get_context("spawn")
    with context.Pool(min(workers, len(numbers)), _start_worker, (data,)) as pool:
        yield from pool.imap(_work, jobs)


_own: list[_Studio] = []
"""The studio of a worker process."""


def _start_worker(data: Path) -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    _own.append(_Studio.of(data))


def _work(job: tuple[int, Options]) -> tuple[int, Captures]:
    number, options = job
    return number, _own[0].photograph(number, options)
