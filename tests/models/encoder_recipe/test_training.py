"""Training an encoder of a small generator: it learns, resumes bit for bit, and says what is
missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from models.arcface import Identity
from models.arcface import tiny as tiny_recognition
from models.base import ModelError
from models.encoder_recipe.__main__ import main
from models.encoder_recipe.picture_folder import open_pictures
from models.encoder_recipe.train import (
    EncoderOptions,
    EncoderRun,
    Judges,
    measure_encoder,
    train_encoder,
)
from models.encoders import EncoderShape, load
from models.encoders.tiny import TINY
from models.lpips.net import tiny as tiny_lpips
from models.ops.irse import TrunkShape
from models.stylegan2.net import Generator, tiny
from models.training.place import Place
from models.training.steps import Progress
from models.weights import load_safetensors, save_safetensors

SIDE = 32


@pytest.fixture(scope="module")
def generator() -> Generator:
    return tiny(seed=1, size=SIDE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, generator: Generator) -> Path:
    out = tmp_path_factory.mktemp("faces")
    draw_pictures(out, generator)
    return out


def draw_pictures(out: Path, generator: Generator) -> None:
    """Write twenty pictures that the generator can make."""
    with torch.no_grad():
        z = torch.randn(20, generator.style_dim, generator=torch.Generator().manual_seed(0))
        pictures = generator(generator.mapping(z))
    spread = pictures / pictures.abs().max()
    for n, picture in enumerate(spread):
        image = ((picture.permute(1, 2, 0).numpy()[:, :, ::-1] + 1) * 127.5).astype(np.uint8)
        cv2.imwrite(str(out / f"{n:02}.png"), image)


def options(generator: Generator, **more: Any) -> EncoderOptions:
    trunk = TrunkShape(
        channels=more.pop("channels", 3),
        widths=TINY.trunk.widths,
        units=TINY.trunk.units,
        reduction=4,
    )
    shape = EncoderShape(SIDE, generator.layers, generator.style_dim, trunk)
    given = {"steps": 12, "batch": 6, "lr": 3e-3, "every": 6, "shape": shape, **more}
    return EncoderOptions(**given)


def run(generator: Generator, folder: Path, **more: Any) -> EncoderRun:
    average = generator.mean_w(256).expand(generator.layers, -1)
    given = {"judges": Judges(None, None), "report": lambda progress: None, **more}
    return EncoderRun(generator, average, open_pictures(folder, SIDE), place=Place(), **given)


@pytest.mark.parametrize("kind", ["psp", "e4e", "restyle-psp"])
def test_the_error_falls_and_the_generator_stays(
    generator: Generator, folder: Path, kind: str
) -> None:
    before = {k: v.clone() for k, v in generator.state_dict().items()}
    iterative = kind.startswith("restyle")
    steps, channels = (12, 6) if iterative else (30, 3)
    chosen = options(generator, kind=kind, steps=steps, every=steps // 3, channels=channels)
    given = run(generator, folder)
    encoder, history = train_encoder(chosen, given)
    assert history[-1]["l2"] < 0.9 * history[0]["l2"]
    assert set(history[0]) == {"step", "l2", *(("deviations",) if kind == "e4e" else ())}
    held = measure_encoder(encoder, chosen, given)
    assert set(held) == {"encoder", "mean_code"}
    for key, value in generator.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_every_judge_takes_part(generator: Generator, folder: Path) -> None:
    judges = Judges(tiny_lpips(), Identity(tiny_recognition()))
    chosen = options(generator, steps=2, every=1, batch=2, code_norm=0.005)
    encoder, history = train_encoder(chosen, run(generator, folder, judges=judges))
    assert set(history[0]) == {"step", "l2", "lpips", "identity", "code_norm"}
    assert min(history[0].values()) > 0
    assert not encoder.training


def test_an_interrupted_run_continues_bit_for_bit(
    generator: Generator, folder: Path, tmp_path: Path
) -> None:
    chosen, file = options(generator), tmp_path / "c.safetensors"
    straight, history = train_encoder(chosen, run(generator, folder))

    def stop(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_encoder(chosen, run(generator, folder, report=stop, checkpoint=file))
    resumed, told = train_encoder(chosen, run(generator, folder, checkpoint=file))
    assert told == history
    for key, value in straight.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key


def test_what_does_not_fit_is_named_before_the_first_step(
    generator: Generator, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="does not fit a generator of 8 rows"):
        train_encoder(options(generator, shape=EncoderShape()), run(generator, folder))
    given = run(generator, folder, start={"body.0.x": torch.zeros(1)})
    with pytest.raises(ModelError, match="no tensor of the network to start from fits"):
        train_encoder(options(generator), given)
    with pytest.raises(ModelError, match="holds 0 pictures"):
        open_pictures(tmp_path, SIDE)
    for n in range(12):
        cv2.imwrite(str(tmp_path / f"{n}.png"), np.zeros((20, 30 if n == 7 else 20, 3), np.uint8))
    with pytest.raises(ModelError, match=r"7\.png is 30x20; aligned faces are square"):
        open_pictures(tmp_path, SIDE)
    (tmp_path / "7.png").write_text("no picture")
    with pytest.raises(ModelError, match="cannot read the picture"):
        open_pictures(tmp_path, SIDE)


def test_the_command_writes_an_encoder_that_a_pack_can_hold(
    generator: Generator, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_safetensors(tmp_path / "g.safetensors", generator.state_dict(), {})
    out = tmp_path / "encoder.safetensors"
    widths, units = "16,16,16,16,16", "1,1,1,1"
    base = [
        "train",
        "--generator",
        str(tmp_path / "g.safetensors"),
        "--data",
        str(folder),
        "--out",
        str(out),
    ]
    small = [
        "--size",
        "32",
        "--widths",
        widths,
        "--units",
        units,
        "--steps",
        "4",
        "--batch",
        "4",
        "--every",
        "2",
    ]
    assert main([*base, *small, "--no-lpips", "--no-identity"]) == 0
    shown = capsys.readouterr()
    assert "step 4/4  l2" in shown.err
    metrics = json.loads(shown.out)
    assert metrics == json.loads((tmp_path / "encoder.json").read_text())
    assert (metrics["lpips"], metrics["identity"], metrics["pictures"]) == (False, False, 18)
    tensors, facts = load_safetensors(out)
    average = tensors.pop("latent_avg")
    assert average.shape == (generator.layers, generator.style_dim)
    trunk = TrunkShape(widths=(16,) * 5, units=(1,) * 4)
    load(
        tensors, kind="psp", measures=EncoderShape(32, generator.layers, generator.style_dim, trunk)
    )
    assert len(facts["generator"]) == 16
    assert not list(tmp_path.glob("*checkpoint*"))


def test_leaving_a_judge_out_must_be_said(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--generator", "g", "--data", "d", "--out", "o", "--no-lpips"])
    assert "--arcface --no-identity is required" in capsys.readouterr().err
