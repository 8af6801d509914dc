"""Units on disk: whole or not there, kept by one rename, told apart by their keys."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from pipeline.batch.store import DamagedUnitError, UnitStore, key_of

KEY = key_of(clip="a", strength=0.5)


def made(store: UnitStore, key: str = KEY, content: bytes = b"picture") -> Path:
    with store.making("render", key) as (folder, facts):
        (folder / "inner").mkdir()
        (folder / "inner" / "one").write_bytes(content)
        facts["frames"] = 3
    return store.path("render", key)


def test_a_key_depends_on_every_fact_and_not_on_their_order() -> None:
    assert key_of(clip="a", strength=0.5) == key_of(strength=0.5, clip="a")
    others = {key_of(clip="b", strength=0.5), key_of(clip="a", strength=0.25), key_of(clip="a")}
    assert len(others - {KEY}) == 3


def test_a_unit_is_there_once_its_block_was_left_and_not_before(tmp_path: Path) -> None:
    store = UnitStore(tmp_path)
    with store.making("render", KEY) as (folder, facts):
        (folder / "one").write_bytes(b"picture")
        facts["frames"] = 3
        assert not store.has("render", KEY)
    assert store.has("render", KEY)
    assert store.facts("render", KEY) == {"frames": 3}
    assert (store.checked("render", KEY) / "one").read_bytes() == b"picture"
    assert list(store.all()) == [("render", KEY)]
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_unit_whose_making_failed_leaves_nothing(tmp_path: Path) -> None:
    store = UnitStore(tmp_path)

    def half() -> None:
        with store.making("render", KEY) as (folder, _):
            (folder / "one").write_bytes(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert not store.has("render", KEY)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_the_second_maker_of_a_unit_drops_what_it_made(tmp_path: Path) -> None:
    store = UnitStore(tmp_path)
    with store.making("render", KEY) as (folder, _):
        (folder / "one").write_bytes(b"first begun")
        made(UnitStore(tmp_path), content=b"first done")
    assert (store.checked("render", KEY) / "inner" / "one").read_bytes() == b"first done"
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize("how", ["short", "gone", "no note", "note cut"])
def test_a_damaged_unit_does_not_count_and_is_replaced(tmp_path: Path, how: str) -> None:
    store = UnitStore(tmp_path)
    folder = made(store)
    one, note = folder / "inner" / "one", folder / "unit.json"
    if how == "short":
        one.write_bytes(b"pict")
    elif how == "gone":
        one.unlink()
    elif how == "no note":
        note.unlink()
    else:
        note.write_bytes(note.read_bytes()[:30])
    assert not store.has("render", KEY)
    made(store)
    assert store.checked("render", KEY) == folder
    (bad,) = (tmp_path / "tmp").iterdir()
    assert bad.name.startswith(f"bad.{KEY}")
    assert store.sweep() == []
    assert store.sweep(everything=True) == [bad.name]


def test_other_content_of_the_same_size_is_found_when_a_unit_is_used(tmp_path: Path) -> None:
    store = UnitStore(tmp_path)
    (made(store) / "inner" / "one").write_bytes(b"PICTURE")
    assert store.has("render", KEY)
    with pytest.raises(DamagedUnitError, match="inner/one is not what was written"):
        store.checked("render", KEY)
    assert not store.has("render", KEY)


def test_sweeping_leaves_alone_what_grows(tmp_path: Path) -> None:
    store = UnitStore(tmp_path)
    with store.making("render", KEY) as (folder, _), store.scratch() as scratch:
        assert UnitStore(tmp_path).sweep() == []
        assert folder.is_dir()
        assert scratch.is_dir()


def test_sweeping_removes_what_dead_makers_left_and_old_folders_of_other_machines(
    tmp_path: Path,
) -> None:
    store = UnitStore(tmp_path)
    with store.making("render", KEY) as (folder, _):
        ours = folder.name.partition(".")[2]
    dead = tmp_path / "tmp" / f"{KEY}.{ours}"
    others = [tmp_path / "tmp" / f"{KEY}.elsewhere-{n}.77.0123abcd" for n in range(2)]
    for path in (dead, *others):
        path.mkdir()
        (path / "one").write_bytes(b"half")
    os.utime(others[1], (time.time() - 90_000,) * 2)
    assert sorted(store.sweep()) == sorted([dead.name, others[1].name])
    assert [path.name for path in (tmp_path / "tmp").iterdir()] == [others[0].name]


def test_a_unit_that_is_forgotten_is_not_there_any_more(tmp_path: Path) -> None:
    store = UnitStore(tmp_path)
    made(store)
    store.forget("render", KEY)
    store.forget("render", KEY)
    assert list(store.all()) == []


def test_what_another_process_makes_is_left_to_it_once(tmp_path: Path) -> None:
    store = UnitStore(tmp_path)
    assert not store.yields(KEY)
    with UnitStore(tmp_path).making("render", KEY):
        assert not store.yields(key_of(other=1))
        assert store.yields(KEY)
        assert not store.yields(KEY)
    assert not UnitStore(tmp_path).yields(KEY)


def test_what_dead_makers_left_and_old_folders_of_other_machines_are_waited_for_by_nobody(
    tmp_path: Path,
) -> None:
    with UnitStore(tmp_path).making("render", KEY) as (folder, _):
        host = folder.name.split(".")[1]
    left = tmp_path / "tmp" / f"{KEY}.{host}.1.00000000"
    left.mkdir()
    assert not UnitStore(tmp_path).yields(KEY) or sys.platform == "win32"
    left.rmdir()
    far = tmp_path / "tmp" / f"{KEY}.elsewhere.1.00000000"
    far.mkdir()
    assert UnitStore(tmp_path).yields(KEY)
    old = time.time() - 7_200
    os.utime(far, (old, old))
    assert not UnitStore(tmp_path).yields(KEY)
