"""The curves' protocol, on a subject whose pictures say exactly what its codes are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest
import torch
from torch import Tensor

from models.base import ModelError
from models.curves import attribute_curves
from models.curves.attribute_curves import curves_of, main, report_of
from models.curves.curve_methods import METHODS, methods_for
from models.curves.curve_plot import Point, draw_curves
from models.curves.curve_subjects import Encoded, Face, open_subject
from models.directions.boundary import fit_boundary
from models.ops import Move
from models.training.codes import LabelledCodes

NAMES = ("happy", "age", "gender", "weak")


def rated() -> tuple[Tensor, Tensor]:
    """Codes (400, 1, 5) whose first three numbers are ratings; happy and age correlate."""
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(400, 4, generator=generator)
    z[:, 1] = 0.6 * z[:, 0] + 0.8 * z[:, 1]
    codes = torch.cat([z[:, :3], torch.randn(400, 2, generator=generator)], dim=1)
    return codes[:, None], (z - z.mean(0)) / z.std(0, correction=0)


class Numbers:
    """A pack whose "pictures" are its codes."""

    name = "numbers"
    whitened = False
    attributes: tuple[str, ...] = ("smile",)

    def encode(self, faces: Iterator[Face], *, keep: bool = True) -> Encoded:
        w = torch.stack([picture for picture, _ in faces])
        return Encoded(w, (), torch.empty(len(w), 0))

    def shown(self, encoded: Encoded, row: int, moved: Tensor) -> Tensor:
        return moved

    def mover(self, editor: str, attribute: str) -> Move:
        step = torch.tensor([1.0, 0.0, 0.5, 0, 0])
        return lambda w, strength: w + strength[:, None, None] * step


class Reader:
    """Reads the codes; `weak` is not to be trusted."""

    names = NAMES

    def __init__(self) -> None:
        self.correlation = {"happy": 1.0, "age": 0.9, "gender": 0.9, "weak": 0.1}

    def readings(self, images: Tensor) -> Tensor:
        return images[:, 0, :4]


class Nearness:
    name, other_person = "nearness", None

    def distances(self, a: Tensor, b: Tensor) -> Tensor:
        return (a - b).flatten(1).norm(dim=1)


class Measured:
    """Four faces: two far from the border, one near it, one on the other side."""

    classifier = Reader()
    names = NAMES
    identity = Nearness()

    def __init__(self) -> None:
        self.identity_facts = {"recogniser": "nearness"}
        self.w, self.ratings = rated()

    def __len__(self) -> int:
        return 4

    def faces(self) -> Iterator[Face]:
        for level in (2.0, 1.6, 0.4, -0.7):
            yield torch.tensor([[level, 5.0, 0.2 if level > 0 else -0.2, 5.0, 0.0]]), torch.empty(0)

    def rated_faces(self) -> Iterator[Face]:
        for row in self.w:
            yield row, torch.empty(0)


def test_the_protocol_counts_what_crosses_what_stays_and_who_remains() -> None:
    measured: Any = Measured()
    curves, _ = curves_of(Numbers(), measured, ["smile"], strengths=(0.5, 1.0, 3.0))
    points = curves["smile"]["latent transformer"]
    assert points[0] == Point(0.0, 0.0, 1.0, 0.0)
    # Towards the other class: down for the first three, up for the last.
    assert [p.target_change for p in points[1:]] == [0.25, 0.5, 1.0]
    # Gender moves by half the step: 0.25 is enough to turn 0.2; age never; `weak` is not counted.
    rho = torch.corrcoef(measured.ratings.T)[0].abs()
    kept = float((1 - rho[1]) / ((1 - rho[1]) + (1 - rho[2])))
    assert [p.attributes_kept for p in points[1:]] == pytest.approx([kept] * 3, abs=1e-5)
    length = 1.25**0.5
    assert points[1].identity_distance == pytest.approx(0.5 * length, abs=1e-5)


def test_the_baselines_are_fitted_to_the_codes_and_calibrated() -> None:
    w, z = rated()
    moves, facts = methods_for(Numbers(), "smile", LabelledCodes(w, z, NAMES))
    assert tuple(moves) == METHODS
    assert facts["InterFaceGAN"]["validated"] > 0.9
    for method in METHODS[1:]:
        step = moves[method](torch.zeros(1, 1, 5), torch.ones(1))[0, 0]
        assert 0.3 < step[0].item() < 1.6, method
    held = moves["InterFaceGAN, conditional"](torch.zeros(1, 1, 5), torch.ones(1))[0, 0]
    for rating in (1, 2):  # age, gender
        normal = fit_boundary(w, z[:, rating], share=0.25).normal[0]
        assert abs(float(held @ normal)) < 1e-4
    assert abs(float(held @ fit_boundary(w, z[:, 0], share=0.25).normal[0])) > 0.3


def test_curves_become_a_picture_and_a_report(tmp_path: Path) -> None:
    measured: Any = Measured()
    subject = Numbers()
    curves, facts = curves_of(subject, measured, ["smile"], strengths=(1.0, 2.0))
    draw_curves(curves, tmp_path / "c.png", title="numbers")
    picture = cv2.imread(str(tmp_path / "c.png"))
    assert picture is not None
    for colour in ((196, 78, 32), (40, 110, 220), (60, 150, 60)):
        near = abs(picture.astype(int) - colour).sum(2) < 40
        assert near.sum() > 40, f"no line of colour {colour}"
    report = json.loads(json.dumps(report_of(subject, measured, curves, facts)))
    assert report["faces"] == 4
    assert len(report["curves"]["smile"]["GANSpace"]) == 3
    assert "weak" not in report["classifier_correlation"]
    with pytest.raises(ModelError, match="cannot write the picture"):
        draw_curves(curves, tmp_path / "none" / "c.png", title="")


def test_what_is_kept_is_read_where_half_have_changed() -> None:
    rising = [Point(0.0, 0.0, 1.0, 1.0), Point(1.0, 0.4, 0.9, 0.8), Point(2.0, 0.6, 0.7, 0.6)]
    told = attribute_curves._at_half(rising)
    assert told == "at 50% changed (strength 1.5): attributes kept 80.0%, identity moved by 0.700"
    told = attribute_curves._at_half(rising[:2])
    assert told == "reaches 40% (strength 1): attributes kept 90.0%, identity moved by 0.800"


def test_unknown_packs_and_attributes_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        ModelError, match="no pack 'tiny'; there are mini; accepted: mini, the name"
    ):
        open_subject("tiny")
    monkeypatch.setattr(attribute_curves, "_recogniser", lambda file: Nearness())
    base = ["--data", str(tmp_path), "--out", str(tmp_path / "c.png")]
    assert main(["--pack", "portrait", *base]) == 1
    assert "no mesh points at" in capsys.readouterr().err
    monkeypatch.setattr(attribute_curves, "open_subject", lambda name: Numbers())
    assert main(["--pack", "numbers", *base, "--attr", "hat"]) == 1
    assert "has no rated attribute ['hat']; it has smile" in capsys.readouterr().err
