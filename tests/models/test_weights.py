"""Weight files: read back exactly, and refused with the reason when they are not what they seem."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from models.base import WeightsError
from models.weights import load_safetensors, save_safetensors, sha256_of


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "a.safetensors"
    save_safetensors(path, {"x": torch.arange(6.0).reshape(2, 3).T}, {"card": "text"})
    return path


def test_tensors_and_metadata_come_back_as_they_were_saved(weights: Path) -> None:
    tensors, metadata = load_safetensors(weights, expected_sha256=sha256_of(weights))
    assert torch.equal(tensors["x"], torch.arange(6.0).reshape(2, 3).T)
    assert metadata == {"card": "text"}


def test_another_hash_than_expected_is_refused(weights: Path) -> None:
    with pytest.raises(WeightsError, match="not the one expected"):
        load_safetensors(weights, expected_sha256="0" * 64)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"missing: .*nothing\.safetensors"):
        load_safetensors(tmp_path / "nothing.safetensors")


class _Canary:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (_touch, (str(self.path),))


def _touch(path: str) -> None:
    Path(path).write_text("executed")


def test_a_pickle_is_refused_and_never_executed(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(_Canary(canary)))
    with pytest.raises(WeightsError, match="pickle"):
        load_safetensors(path)
    assert not canary.exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<!DOCTYPE html><html>quota exceeded</html>", "web page"),
        (b"", "empty file"),
        (b"PK\x03\x04" + b"0" * 60, "zip archive"),
        (b"\xff" * 100, "truncated or damaged"),
    ],
    ids=["html", "empty", "zip", "noise"],
)
def test_what_a_wrong_file_is_gets_said(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=words):
        load_safetensors(path)


def test_a_truncated_file_is_refused(weights: Path) -> None:
    weights.write_bytes(weights.read_bytes()[:-5])
    with pytest.raises(WeightsError, match="truncated or damaged"):
        load_safetensors(weights)


def test_what_was_read_stays_when_its_file_is_written_over_or_cut(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    before = {"w": torch.arange(9000.0)}
    save_safetensors(path, before, {})
    tensors, _ = load_safetensors(path)
    with path.open("r+b") as file:  # in place: no new file takes its name
        file.write(bytes(path.stat().st_size))
        file.truncate(10)
    assert torch.equal(tensors["w"], before["w"])
