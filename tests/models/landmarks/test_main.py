"""`python -m models.landmarks`, end to end on a handful of faces."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from models.base import ModelError
from models.landmarks import LandmarkCascade, dataset
from models.landmarks.__main__ import main


@pytest.fixture
def few(shared: Path, tmp_path: Path) -> Path:
    """A folder like data/omi with ten faces to train on and two held out."""
    data = tmp_path / "few"
    for group, chosen in (
        ("images", [f"{n}.jpg" for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20)]),
        ("pairs", []),
    ):
        (data / group).mkdir(parents=True)
        with np.load(shared / f"data/omi/{group}_landmarks478.npz") as arrays:
            known = [str(n) for n in arrays["names"]]
            names = chosen or [n for n in known if dataset.face_number(n) % 10][:2]
            points = arrays["points"][[known.index(n) for n in names]]
        np.savez(data / f"{group}_landmarks478.npz", names=np.array(names), points=points)
        for name in names:
            (data / group / name).symlink_to(shared / "data/omi" / group / name)
    return data


def test_training_writes_weights_that_evaluation_reads(
    few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, cache = tmp_path / "w.safetensors", tmp_path / "renders"
    common = ["--data", str(few), "--cache", str(cache), "--threads", "1"]
    main(["train", *common, "--out", str(out), "--renders", "4", "--steps", "1"])
    report = json.loads(capsys.readouterr().out)
    assert report["held_out"]["overall"] > 0
    first = LandmarkCascade.load(out).state_dict()
    resumed = tmp_path / "w2.safetensors"
    options = ["--renders", "4", "--steps", "1", "--part", "eye", "--start", str(out)]
    main(["train", *common, "--out", str(resumed), *options])
    second = LandmarkCascade.load(resumed).state_dict()
    assert all(second[k].equal(v) for k, v in first.items() if k.startswith(("main", "mouth")))
    assert not second["eye.heat.weight"].equal(first["eye.heat.weight"])


def test_a_folder_without_labels_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no mesh points at"):
        dataset.load_faces(tmp_path, held_out=False)
