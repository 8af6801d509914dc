"""The store of what editors prepare: whole or not there, checked, and never in the way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from pipeline.artefacts import Store, default_folder, key_of
from pipeline.cli import main
from pipeline.editors import Artefact

KEY = "ab" * 32


def artefact(value: float = 1.0, size: int = 4) -> Artefact:
    tensors = {
        "w": torch.full((2, size), value),
        "half": torch.full((3,), value, dtype=torch.float16),
        "frames": torch.arange(3),
        "nothing": torch.zeros(0, 2),
    }
    return Artefact(tensors, {"what": "codes", "scale": 2.0})


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_what_is_kept_comes_back_as_it_went(tmp_path: Path) -> None:
    Store(tmp_path).put(KEY, artefact())
    back = Store(tmp_path).get(KEY)
    assert back is not None
    assert back.facts == {"what": "codes", "scale": 2.0}
    for name, tensor in artefact().tensors.items():
        assert back.tensors[name].dtype == tensor.dtype
        assert torch.equal(back.tensors[name], tensor)
    assert Store(tmp_path).get("cd" * 32) is None


def test_a_key_follows_from_what_it_depends_on_and_not_from_their_order() -> None:
    assert key_of(a=1, b=[2, None]) == key_of(b=[2, None], a=1)
    assert len({key_of(a=1), key_of(a=2), key_of(b=1)}) == 3


@pytest.mark.parametrize("at", [0, 5, 9, 60, -1])
def test_a_damaged_file_counts_as_missing_and_is_said(
    tmp_path: Path, at: int, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(tmp_path)
    store.put(KEY, artefact())
    (path,) = files(tmp_path)
    data = bytearray(path.read_bytes())
    data[at] ^= 0x40
    path.write_bytes(data)
    assert store.get(KEY) is None
    assert "is damaged" in caplog.text
    store.put(KEY, artefact())
    assert store.get(KEY) is not None


def test_what_was_read_stays_when_its_file_is_written_over_or_cut(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put(KEY, artefact(size=9000))
    back = store.get(KEY)
    assert back is not None
    (path,) = files(tmp_path)
    with path.open("r+b") as file:  # in place: no new file takes its name
        file.write(bytes(path.stat().st_size))
        file.truncate(10)
    assert torch.equal(back.tensors["w"], artefact(size=9000).tensors["w"])


def test_half_a_file_counts_as_missing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put(KEY, artefact())
    (path,) = files(tmp_path)
    path.write_bytes(path.read_bytes()[:-7])
    assert store.get(KEY) is None


def test_a_checkpoint_is_there_until_the_work_is_done(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.restored(KEY) is None
    store.checkpoint(KEY, artefact(0.5))
    half = store.restored(KEY)
    assert half is not None
    assert float(half.tensors["w"][0, 0]) == 0.5
    assert store.get(KEY) is None
    assert [kept.is_part for kept in store.kept()] == [True]
    store.put(KEY, artefact())
    assert store.restored(KEY) is None
    assert [kept.is_part for kept in store.kept()] == [False]


def test_a_store_that_cannot_be_written_is_said_once_and_done_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    store = Store(tmp_path / "file")
    store.put(KEY, artefact())
    store.checkpoint(KEY, artefact())
    assert store.get(KEY) is None
    assert caplog.text.count("takes no files") == 1


def test_what_was_not_used_for_longest_goes_when_the_store_is_full(tmp_path: Path) -> None:
    keys = [f"{n:02x}" * 32 for n in range(4)]
    size = 10_000
    for n, key in enumerate(keys):
        store = Store(tmp_path, most_bytes=3 * 4 * 2 * size + 3000)
        store.put(key, artefact(size=size))
        os.utime(files(tmp_path / key[:2])[0], (n, n))
        if n == 2:
            assert store.get(keys[0]) is not None, "which makes it the youngest"
    there = [key for key in keys if Store(tmp_path).get(key) is not None]
    assert there == [keys[0], keys[2], keys[3]]


def test_files_of_others_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "ab").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "ab" / "weights.bin").write_text("mine")
    store = Store(tmp_path)
    store.put(KEY, artefact())
    assert len(store.clean()) == 1
    assert {path.name for path in files(tmp_path)} == {"notes.txt", "weights.bin"}


def test_the_command_lists_and_cleans(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISAGIST_CACHE", str(tmp_path))
    assert default_folder() == tmp_path
    assert main(["cache"]) == 0
    assert f"nothing is kept in {tmp_path}" in capsys.readouterr().out
    Store().put(KEY, artefact())
    assert main(["cache", "list"]) == 0
    assert KEY[:12] in capsys.readouterr().out
    assert main(["cache", "clean"]) == 0
    assert "removed 0 files" in capsys.readouterr().out, "it was used just now"
    for days in ("-1", "nan"):
        assert main(["cache", "clean", "--older-than", days]) == 2
    capsys.readouterr()
    assert main(["cache", "clean", "--older-than", "0"]) == 0
    assert "removed 1 file" in capsys.readouterr().out
