"""What all training commands share: a repeated command goes on, and nothing is dropped unasked."""

from __future__ import annotations

import argparse
import hashlib
import importlib
from pathlib import Path

import numpy as np
import pytest
import torch

from models.base import ModelError
from models.latent_transformer import __main__ as latent
from models.training.command import add_checkpoint_options, checkpoint_of
from models.training.place import Place, add_place_options, place_of
from models.training.steps import Progress
from models.weights import load_safetensors, save_safetensors

TRAININGS = (
    ("latent_transformer", "train-classifier"),
    ("latent_transformer", "train"),
    ("encoder_recipe", "train"),
    ("mini", "train"),
    ("landmarks", "train"),
    ("parsing", "train"),
)


def options(*typed: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path)
    add_checkpoint_options(parser)
    add_place_options(parser)
    return parser.parse_args(typed)


def test_only_restart_drops_a_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "w.safetensors")]
    path = tmp_path / "w.checkpoint.safetensors"
    assert checkpoint_of(options(*out)) == path
    with pytest.raises(ModelError, match=r"no checkpoint at .*; leave --resume out"):
        checkpoint_of(options(*out, "--resume"))
    path.write_bytes(b"precious")
    for more in ([], ["--resume"]):
        checkpoint_of(options(*out, *more))
        assert path.read_bytes() == b"precious"
        assert "going on with the run in" in capsys.readouterr().err
    checkpoint_of(options(*out, "--restart"))
    assert not path.exists()
    with pytest.raises(SystemExit):
        options(*out, "--restart", "--resume")


@pytest.mark.parametrize(("family", "command"), TRAININGS)
def test_every_training_takes_the_same_options(
    family: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main = importlib.import_module(f"models.{family}.__main__").main
    with pytest.raises(SystemExit):
        main([command, "--help"])
    told = capsys.readouterr().out
    for option in ("--resume", "--restart", "--device", "--precision"):
        assert option in told, option


@pytest.fixture
def codes(tmp_path: Path) -> list[str]:
    random = np.random.default_rng(0)
    w = random.standard_normal((80, 2, 4)).astype(np.float32)
    np.savez(tmp_path / "c.npz", w=w, labels=(w[:, 0, :2] > 0) * 1.0, names=["smile", "age"])
    return [
        "train-classifier",
        "--codes",
        str(tmp_path / "c.npz"),
        "--hidden",
        "8",
        "--batch",
        "16",
    ]


def test_a_repeated_command_goes_on_where_it_was_interrupted(
    tmp_path: Path, codes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, halves = tmp_path / "whole.safetensors", tmp_path / "halves.safetensors"
    assert latent.main([*codes, "--out", str(whole)]) == 0
    seen: list[int] = []

    def watched(stop: int) -> None:
        def show(progress: Progress) -> None:
            seen.append(progress.step)
            if len(seen) == stop:
                raise KeyboardInterrupt

        monkeypatch.setattr(latent, "show", show)

    watched(stop=7)
    with pytest.raises(KeyboardInterrupt):
        latent.main([*codes, "--out", str(halves)])
    watched(stop=-1)
    assert latent.main([*codes, "--out", str(halves)]) == 0
    assert seen == sorted(set(seen)), "no step was made twice"
    assert halves.read_bytes() == whole.read_bytes()


def test_another_command_never_drops_what_was_begun(
    tmp_path: Path,
    codes: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stop(progress: Progress) -> None:
        raise KeyboardInterrupt

    out = ["--out", str(tmp_path / "w.safetensors")]
    with monkeypatch.context() as patched:
        patched.setattr(latent, "show", stop)
        with pytest.raises(KeyboardInterrupt):
            latent.main([*codes, *out])
    checkpoint = tmp_path / "w.checkpoint.safetensors"
    before = checkpoint.read_bytes()
    assert latent.main([*codes, *out, "--lr", "0.01"]) == 1
    told = capsys.readouterr().err
    assert "belongs to another run (lr 0.0001, now 0.01)" in told
    assert "--restart" in told
    assert checkpoint.read_bytes() == before
    assert latent.main([*codes, *out, "--lr", "0.01", "--restart"]) == 0


def test_reruns_give_the_same_bytes(tmp_path: Path, codes: list[str]) -> None:
    for name in ("a", "b"):
        out = ["--out", str(tmp_path / f"{name}.safetensors"), "--licence", "CC0-1.0"]
        assert latent.main([*codes, *out]) == 0
    for suffix in (".safetensors", ".json"):
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_texts_are_written_in_one_order(tmp_path: Path) -> None:
    """safetensors' own writer has another one every time."""
    names = ["format", "attribute", "unit", "layers", "generator", "licence", "variant"]
    for way in (names, names[::-1]):
        save_safetensors(tmp_path / "a", {"x": torch.ones(2)}, dict.fromkeys(way, "t"))
        digest = hashlib.sha256((tmp_path / "a").read_bytes()).hexdigest()
        save_safetensors(tmp_path / "b", {"x": torch.ones(2)}, dict.fromkeys(names, "t"))
        assert hashlib.sha256((tmp_path / "b").read_bytes()).hexdigest() == digest
    tensors, texts = load_safetensors(tmp_path / "a")
    assert tensors["x"].equal(torch.ones(2))
    assert sorted(texts) == sorted(names)


def test_what_is_stored_as_float16_is_said(
    tmp_path: Path, codes: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "w.safetensors"
    assert latent.main([*codes, "--out", str(out)]) == 0
    tensors, _ = load_safetensors(out)
    assert {value.dtype for value in tensors.values()} == {torch.float16}
    assert '"stored_as": "float16"' in capsys.readouterr().out


def test_a_device_that_is_not_there_is_named() -> None:
    assert place_of(options()) == Place()
    with pytest.raises(ModelError, match=r"no device 'cuda:77' here .*accepted: cpu, cuda, cuda:N"):
        place_of(options("--device", "cuda:77"))
    with pytest.raises(ModelError, match="no device 'gpu' here"):
        place_of(options("--device", "gpu"))


def test_bf16_trains_nearly_the_same(tmp_path: Path, codes: list[str]) -> None:
    for name in ("fp32", "bf16"):
        out = ["--out", str(tmp_path / f"{name}.safetensors"), "--precision", name]
        assert latent.main([*codes, *out, "--lr", "0.01"]) == 0
    one, other = (load_safetensors(tmp_path / f"{n}.safetensors")[0] for n in ("fp32", "bf16"))
    apart = max(float((one[k].float() - other[k].float()).abs().max()) for k in one)
    assert 0 < apart < 0.05
