"""Every call of every writer fails once: the old file stands, or all of the new one, as is told.

Nine kinds of files, each call of the system on their way, each with a full disk, a broken disk, no
permission, and an interrupt before and after the call.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
import torch

from models import files, tensorfile
from models.files import placed, write_whole
from models.packs.cards import Card, write_card
from models.packs.packfile import GeneratorEntry, PackFile, write_pack_file
from models.parts import Facts, Licence
from models.training.steps import write_metrics
from models.weights import save_safetensors
from pipeline import analysis, bench
from pipeline.analysis import Analysis
from pipeline.config import EncodeOptions
from pipeline.errors import OutputError
from pipeline.media.container.decode import VideoReader
from pipeline.media.container.encode import VideoWriter
from pipeline.media.container.preflight import preflight_output
from pipeline.media.container.probe import probe
from pipeline.pictures import write_png
from pipeline.report import Report

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX files")

ANALYSIS = Analysis("f" * 64, {}, np.arange(3), Fraction(1, 25), (), {}, ())
CARD = Card("card", "direction", "d", "0" * 64, 1, Licence("CC0", True), "x.npy", "0" * 64, Facts())
PACK = PackFile("p", "CC0", True, GeneratorEntry("g.safetensors", 64))
TENSORS = {"a": torch.arange(6.0)}

WRITERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "analysis": ("x.json", lambda path: analysis.save(ANALYSIS, path)),
    "report": ("x.json", lambda path: Report("i", "o", {}, {}, {}).save(path)),
    "picture": ("x.png", lambda path: write_png(path, np.zeros((8, 8, 3), np.uint8))),
    "figures": ("x.json", lambda path: bench.save({"a": 1}, path)),
    "weights": ("x.safetensors", lambda path: save_safetensors(path, TENSORS, {"a": "b"})),
    "tensors": ("x.safetensors", lambda path: tensorfile.write_tensors(path, TENSORS, {"a": "b"})),
    "metrics": ("x.json", lambda path: write_metrics(path, {"a": 1})),
    "card": ("card.toml", lambda path: write_card(CARD, path.parent)),
    "pack": ("pack.toml", lambda path: write_pack_file(PACK, path.parent)),
}

SYSTEM_CALLS = ("open", "open 2", "open 3", "fchmod", "fsync", "fsync 2", "replace", "unlink")
"""With a number: the second call of its kind, and so on. The last ones are those for the folder."""
CALLS = ("open file", "write", "close", *SYSTEM_CALLS)
ERRORS = {name: OSError(getattr(errno, name), name) for name in ("ENOSPC", "EIO", "EACCES")}


class Fault:
    """Makes one call of the system fail, once."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.wait = 0
        self.struck = False

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **named: Any) -> Any:
            self.wait -= 1
            if self.struck or self.wait > 0:
                return call(*arguments, **named)
            self.struck = True
            if self.kind in ERRORS:
                raise ERRORS[self.kind]
            if self.kind == "interrupt before":
                raise KeyboardInterrupt
            call(*arguments, **named)
            raise KeyboardInterrupt

        return wrapped

    def strike(self, at: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let the next call of a kind fail, or a later one."""
        at, _, number = at.partition(" ") if at[-1].isdigit() else (at, "", "1")
        self.wait = int(number)
        if at in ("write", "close"):
            real = Path.open

            def opened(path: Path, mode: str = "r", *more: Any, **named: Any) -> Any:
                file = real(path, mode, *more, **named)
                if "w" in mode:
                    setattr(file, at, self.around(getattr(file, at)))
                return file

            monkeypatch.setattr(Path, "open", opened)
        elif at == "open file":
            monkeypatch.setattr(Path, "open", self.around(Path.open))
        else:
            monkeypatch.setattr(os, at, self.around(getattr(os, at)))


def check(folder: Path, name: str, old: bytes, new: bytes, raised: BaseException | None) -> None:
    """The target is old or new; what is told of it is true; the next run leaves nothing else."""
    stands = (folder / name).read_bytes()
    assert stands in (old, new), "half a file"
    assert (placed == [folder / name]) == (stands == new), "what is told is not so"
    if raised is None:
        assert stands == new
    elif isinstance(raised, Exception):
        assert stands == old, "an error was told of a file that is written"
    write_whole(folder / "next", "run")
    assert sorted(path.name for path in folder.iterdir()) == sorted([name, "next"])


@pytest.fixture(autouse=True)
def _nothing_placed() -> Iterator[None]:
    placed.clear()
    yield
    placed.clear()


@pytest.mark.parametrize("kind", [*ERRORS, "interrupt before", "interrupt after"])
@pytest.mark.parametrize("at", CALLS)
@pytest.mark.parametrize("writer", WRITERS)
def test_a_file_is_old_or_new_whatever_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writer: str, at: str, kind: str
) -> None:
    name, write = WRITERS[writer]
    (tmp_path / "good").mkdir()
    write(tmp_path / "good" / name)
    new = (tmp_path / "good" / name).read_bytes()
    placed.clear()
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / name).write_bytes(b"old")
    fault, raised = Fault(kind), None
    with monkeypatch.context() as patch:
        fault.strike(at, patch)
        try:
            write(folder / name)
        except (OSError, OutputError, KeyboardInterrupt) as e:
            raised = e
    assert fault.struck, "the fault was not met"
    check(folder, name, b"old", new, raised)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory, clip_of: Callable[..., Path]) -> Path:
    """Three small frames."""
    noise = np.random.default_rng(1).integers(60, 200, (3, 48, 64, 3)).astype(np.uint8)
    return clip_of(tmp_path_factory.mktemp("clip") / "clip.mp4", list(noise))


@pytest.mark.parametrize("kind", [*ERRORS, "interrupt before", "interrupt after"])
@pytest.mark.parametrize("at", SYSTEM_CALLS)
def test_a_video_is_old_or_new_whatever_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clip: Path, at: str, kind: str
) -> None:
    path, source = tmp_path / "out.mp4", probe(clip)
    path.write_bytes(b"old")
    plan = preflight_output(path, source, EncodeOptions(), overwrite=True)
    fault, raised = Fault(kind), None
    with monkeypatch.context() as patch:
        fault.strike(at, patch)
        try:
            with VideoReader(source) as reader, VideoWriter(plan, threads=1) as writer:
                for frame in reader:
                    writer.write(frame)
        except (OutputError, KeyboardInterrupt) as e:
            raised = e
    assert fault.struck, "the fault was not met"
    stands = path.read_bytes()
    new = b"old" if stands == b"old" else stands
    assert new == b"old" or len(probe(path).others) == 0
    check(tmp_path, "out.mp4", b"old", stands if stands != b"old" else b"new", raised)


@pytest.mark.parametrize("kind", ["EIO", "interrupt before", "interrupt after"])
@pytest.mark.parametrize("at", ["link", "unlink"])
def test_a_new_file_is_whole_or_not_there_whatever_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str, kind: str
) -> None:
    path = tmp_path / "x"
    fault = Fault(kind)
    with monkeypatch.context() as patch:
        fault.strike(at, patch)
        with suppress(OSError, KeyboardInterrupt):
            write_whole(path, "new", overwrite=False)
    assert fault.struck
    assert (placed == [path]) == path.exists()
    assert not path.exists() or path.read_text() == "new"
    write_whole(tmp_path / "next", "run")
    assert {p.name for p in tmp_path.iterdir()} <= {"x", "next"}


class Came(BaseException):
    """What the handler of the test's signal raises."""


def interrupted_at(line: int, write: Callable[[], object]) -> bool:
    """Write, with a signal when that many lines of the writer have run; say whether it came."""
    left = line

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal left
        if frame.f_code.co_filename != files.__file__:
            return None
        left -= event == "line"
        if event == "line" and left == 0:
            signal.raise_signal(signal.SIGTERM)
        return trace

    before = sys.gettrace()
    try:
        sys.settrace(trace)
        write()
    finally:
        sys.settrace(before)
    return left <= 0


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_signal_at_any_line_of_the_writer_is_told_truly(tmp_path: Path, overwrite: bool) -> None:
    path = tmp_path / "x"

    def stop(*_: object) -> None:
        raise Came

    known = signal.signal(signal.SIGTERM, stop)
    try:
        for line in range(1, 1000):
            placed.clear()
            path.unlink(missing_ok=True)
            if overwrite:
                path.write_text("old")
            try:
                came = interrupted_at(line, lambda: write_whole(path, "new", overwrite=overwrite))
            except Came:
                came = True
            assert signal.getsignal(signal.SIGTERM) is stop
            stands = path.read_text() if path.exists() else "old"
            assert (placed, stands) in (([], "old"), ([path], "new")), line
            files.remove_leftovers(tmp_path)
            assert list(tmp_path.iterdir()) in ([], [path]), line
            if not came:
                break
    finally:
        signal.signal(signal.SIGTERM, known)
    assert line > 50, "the writer has more lines than that"
