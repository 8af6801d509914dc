"""The whole way of `samples/whole_route.py` in small: some faces, a clip of two frames, a curve."""

from __future__ import annotations

import csv
import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from models.curves import attribute_curves
from models.packs.layers import Layer
from models.packs.store import Store
from tests.conftest import Pictures, write_clip

SCRIPT = Path(__file__).resolve().parents[1] / "samples" / "whole_route.py"
FACES, PEOPLE = 60, 6


class Nearness:
    """Stands for the recogniser, which is an extra."""

    name, other_person = "nearness", None

    def distances(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return (a - b).flatten(1).norm(dim=1)


def few(data: Path, folder: Path) -> Path:
    """The faces of a data set rated lightest and heaviest, with all they have, and some levels."""
    with (data / "attribute_means.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    rows.sort(key=lambda row: float(row[head.index("weight")]))
    rows = rows[: FACES // 2] + rows[-FACES // 2 :]
    with_ratings = {row[0] for row in rows}
    for sort in ("images", "pairs"):
        (folder / sort).mkdir(parents=True)
        with np.load(data / f"{sort}_landmarks478.npz") as archive:
            names, points = archive["names"], archive["points"]
        if sort == "images":
            wanted = np.array([Path(n).stem in with_ratings for n in names])
        else:
            shown = [n for n in names if "_familiar_" in n or "_memorable_" in n]
            people = sorted({n.split("_")[0] for n in shown})[:PEOPLE]
            wanted = np.array([n in shown and n.split("_")[0] in people for n in names])
        np.savez(folder / f"{sort}_landmarks478.npz", names=names[wanted], points=points[wanted])
        for name in names[wanted]:
            shutil.copy(data / sort / name, folder / sort / name)
    with (folder / "attribute_means.csv").open("w", newline="") as file:
        csv.writer(file).writerows([head, *sorted(rows, key=lambda row: int(row[0]))])
    return folder


def test_the_whole_way_from_faces_to_a_clip_and_a_curve(
    shared: Path,
    astronaut: Pictures,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    faces, out = few(shared / "data" / "omi", tmp_path / "faces"), tmp_path / "out"
    clip = write_clip(tmp_path / "two.mp4", astronaut[:2])
    spec = importlib.util.spec_from_file_location("whole_route", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setenv("VISAGIST_HOME", "")  # the script sets its own; afterwards it is as before
    monkeypatch.setattr(attribute_curves, "_recogniser", lambda file: Nearness())
    module.main([str(faces), "--out", str(out), "--video", str(clip), "--judged", "4"])
    assert "all of it:" in capsys.readouterr().out
    (layer,) = Store(out / "store").read_packs().values()
    assert isinstance(layer, Layer)
    assert [mover.attribute for mover in layer.movers] == ["weight"]
    report = json.loads((out / "report.json").read_text("utf-8"))
    assert report["counts"]["edited"] == 2
    curve = json.loads((out / "curve.json").read_text("utf-8"))["curves"]["weight"]
    assert len(curve["latent transformer"]) == 1 + len(attribute_curves.STRENGTHS)
    assert (out / "curve.png").is_file()
