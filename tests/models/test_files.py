"""Files are there as a whole or not at all, and what dead writers left is removed."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models import files
from models.files import (
    is_there,
    opened_whole,
    placed,
    remove_leftovers,
    scratch_beside,
    write_whole,
)
from models.packs.store import Store
from pipeline.errors import OutputError
from pipeline.targets import check_target

ROOT = Path(__file__).resolve().parents[2]

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX files and locks")


@pytest.fixture(autouse=True)
def _nothing_placed() -> Iterator[None]:
    placed.clear()
    files._named.clear()
    yield
    placed.clear()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def leftover(folder: Path, machine: str | None = None, *, age_s: float = 0.0) -> Path:
    """Make what a writer that died leaves: its file, and nobody who holds it."""
    path = folder / f".out.visagist-{machine or files.machine_name()}-0123456789abcdef.part.mp4"
    path.write_bytes(b"half")
    os.utime(path, (time.time() - age_s,) * 2)
    return path


@posix
def test_a_name_the_system_has_something_against_is_no_missing_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On any Python: from 3.14 on, what `Path` is asked is answered with no."""
    for question, answer in (("exists", os.path.exists), ("is_dir", os.path.isdir)):
        monkeypatch.setattr(Path, question, answer)
    (tmp_path / "file").touch()
    (tmp_path / "ring").symlink_to("ring")
    assert is_there(tmp_path)
    assert is_there(tmp_path / "file")
    for name in ("missing", "file/below", "ring", "a\0b"):
        assert not is_there(tmp_path / name), name
    long = tmp_path / ("n" * 300)
    for ask in (is_there, lambda path: Store(path).names(), lambda path: Store(path).pack_names()):
        with pytest.raises(OSError, match="File name too long"):
            ask(long)
    with pytest.raises(OutputError, match="File name too long"):
        check_target(long, "the report", taken={})


def test_bytes_text_and_pieces_are_written_as_they_are(tmp_path: Path) -> None:
    for content in (b"a\r\nb\n", "a\r\nb\n", iter(["a\r", "\nb", "\n"])):
        write_whole(tmp_path / "x", content)
        assert (tmp_path / "x").read_bytes() == b"a\r\nb\n"
    assert names(tmp_path) == ["x"]
    assert placed == [tmp_path / "x"] * 3


def test_a_name_of_any_length_and_sort_can_be_written(tmp_path: Path) -> None:
    for name in ("n" * 250 + ".json", "ü" * 120, "a\nb", "-", "%d", ".hidden", "\udcff.json"):
        write_whole(tmp_path / name, name.encode(errors="surrogateescape"))
    assert len(names(tmp_path)) == 7


@posix
def test_new_files_obey_the_umask_and_replaced_ones_keep_their_permissions(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "new", "x")
        secret = tmp_path / "secret"
        secret.write_text("old")
        secret.chmod(0o604)
        with opened_whole(secret) as file:
            (beside,) = tmp_path.glob(".secret.*")
            assert beside.stat().st_mode & 0o777 == 0o600, "nobody else reads it on the way"
            file.write(b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o640
    assert secret.stat().st_mode & 0o777 == 0o604


@posix
def test_a_link_stays_and_what_it_points_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    real, link = tmp_path / "store" / "real.json", tmp_path / "link.json"
    real.write_text("old")
    link.symlink_to("store/real.json")
    write_whole(link, "new")
    assert link.is_symlink()
    assert real.read_text() == "new"
    real.unlink()
    with pytest.raises(FileNotFoundError):
        write_whole(link, "new")
    assert names(tmp_path / "store") == []


@posix
def test_another_name_of_the_replaced_file_keeps_the_old_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    os.link(tmp_path / "a", tmp_path / "b")
    write_whole(tmp_path / "a", "new")
    assert (tmp_path / "b").read_text() == "old"


@posix
def test_devices_and_pipes_are_never_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "null").symlink_to("/dev/null")
    for path in (tmp_path / "pipe", tmp_path / "null", tmp_path):
        with pytest.raises(OSError, match="not an ordinary file"):
            write_whole(path, "x")
    assert names(tmp_path) == ["null", "pipe"]


@pytest.mark.parametrize("has_hard_links", [True, False])
def test_what_appears_meanwhile_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_hard_links: bool
) -> None:
    if not has_hard_links:
        monkeypatch.setattr(os, "link", _raiser(OSError(errno.EPERM, "not permitted")))
    path = tmp_path / "x"
    write_whole(path, "mine", overwrite=False)
    with pytest.raises(FileExistsError):
        write_whole(path, "again", overwrite=False)
    path.unlink()

    def late() -> None:
        with opened_whole(path, overwrite=False) as file:
            file.write(b"again")
            path.write_text("theirs")

    with pytest.raises(FileExistsError):
        late()
    assert path.read_text() == "theirs"
    assert names(tmp_path) == ["x"]


@posix
def test_no_planted_link_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if somebody knew the random name."""
    tokens = iter(["a" * 16, "b" * 16])
    monkeypatch.setattr("secrets.token_hex", lambda _: next(tokens))
    victim = tmp_path / "victim"
    victim.write_text("precious")
    machine = files.machine_name()
    (tmp_path / f".x.visagist-{machine}-{'a' * 16}.part").symlink_to(victim)
    write_whole(tmp_path / "x", "new")
    assert victim.read_text() == "precious"


def test_a_library_that_renames_by_itself_is_found_out(tmp_path: Path) -> None:
    def renamed() -> None:
        with files.written_whole(tmp_path / "x") as beside:
            (tmp_path / "other").write_text("x")
            (tmp_path / "other").replace(beside)

    with pytest.raises(OSError, match="took its place"):
        renamed()
    assert names(tmp_path) == []


def test_a_scratch_file_is_gone_after_its_block(tmp_path: Path) -> None:
    with scratch_beside(tmp_path / "out.mp4", ".mp4") as path:
        assert path.suffix == ".mp4"
        path.write_bytes(b"trial")
    assert names(tmp_path) == []


@posix
def test_a_leftover_is_removed_by_the_next_file_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = leftover(tmp_path)
    write_whole(tmp_path / "another", "x")
    assert names(tmp_path) == ["another"]
    assert caplog.messages == [f"removed {path}, left of a run that was cut off"]


@posix
def test_what_lives_or_may_live_is_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere = leftover(tmp_path, "0" * 12)
    old = leftover(tmp_path, "1" * 12, age_s=90_000.0)
    unlocked = leftover(tmp_path, "unlocked")
    with scratch_beside(tmp_path / "out.mp4") as mine:
        code = "import sys; from pathlib import Path; from models.files import remove_leftovers; "
        code += "remove_leftovers(Path(sys.argv[1]))"
        subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, check=True)
        for _ in range(2):
            remove_leftovers(tmp_path)
        assert all(path.exists() for path in (mine, elsewhere, old, unlocked))
    (message,) = caplog.messages
    assert str(old) in message
    assert "delete it if no run writes there any more" in message


@posix
def test_only_ordinary_files_are_taken_for_leftovers(tmp_path: Path) -> None:
    stem = f".x.visagist-{files.machine_name()}-"
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / f"{stem}{'1' * 16}.part").symlink_to(victim)
    (tmp_path / f"{stem}{'2' * 16}.part").mkdir()
    os.mkfifo(tmp_path / f"{stem}{'3' * 16}.part")
    (tmp_path / f"{stem}short.part").write_text("of somebody else")
    before = names(tmp_path)
    remove_leftovers(tmp_path)
    assert names(tmp_path) == before
    assert victim.read_text() == "precious"


@posix
def test_a_file_system_without_locks_is_written_to_and_never_cleaned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fcntl.flock", _raiser(OSError(errno.ENOLCK, "no locks")))
    with opened_whole(tmp_path / "x") as file:
        assert [name for name in names(tmp_path) if "-unlocked-" in name] == names(tmp_path)
        file.write(b"x")
    assert names(tmp_path) == ["x"]


@posix
def test_a_new_file_taken_for_a_leftover_before_it_is_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    real = fcntl.flock
    taken: list[Path] = []

    def flock(handle: int, how: int) -> None:
        if not taken:  # another run looks into the folder at this very moment
            (beside,) = tmp_path.iterdir()
            beside.unlink()
            taken.append(beside)
        real(handle, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    write_whole(tmp_path / "x", "new")
    assert names(tmp_path) == ["x"]


def _raiser(error: BaseException) -> Callable[..., object]:
    def fail(*_arguments: object, **_named: object) -> object:
        raise error

    return fail


@posix
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("call", ["replace", "link"])
def test_a_signal_at_the_rename_waits_until_the_file_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, call: str
) -> None:
    number = getattr(signal, name)
    real = getattr(os, call)

    class Came(BaseException):
        pass

    def stop(*_: object) -> None:
        raise Came

    def interrupted(*arguments: object) -> None:
        os.kill(os.getpid(), number)
        real(*arguments)
        os.kill(os.getpid(), number)

    monkeypatch.setattr(os, call, interrupted)
    before = signal.signal(number, stop)
    try:
        with pytest.raises(Came):
            write_whole(tmp_path / "x", "new", overwrite=call == "replace")
        assert signal.getsignal(number) is stop
    finally:
        signal.signal(number, before)
    assert (tmp_path / "x").read_text() == "new"
    assert placed == [tmp_path / "x"]
    assert names(tmp_path) == ["x"]
