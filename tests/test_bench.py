"""The bench: what it measures, and what it says of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline import bench
from pipeline.cli import main
from pipeline.progress import Stopwatch
from tests.conftest import Desk, FaceClip


def _measured(floor: list[float], whole: list[float]) -> bench.ClipBench:
    runs = {
        bench.FLOOR: [bench.Timing(t, 2 * t) for t in floor],
        bench.WHOLE: [bench.Timing(t, t) for t in whole],
    }
    return bench.ClipBench("clip.mp4", 10, (8, 8), 10, runs, {"edit": [0.1] * 20}, 1.0)


def test_a_ratio_is_the_median_over_neighbouring_runs_so_a_slow_moment_cancels() -> None:
    measured = _measured([1.0, 10.0, 2.0], [3.0, 30.0, 100.0])
    assert measured.ratio(bench.WHOLE) == pytest.approx(3.0)
    assert measured.ratio(bench.WHOLE, cpu=True) == pytest.approx(1.5)


def test_a_stage_is_told_per_frame_and_per_time() -> None:
    (row,) = _measured([1.0, 1.0], [1.0, 1.0]).stage_rows()
    assert row == {
        "stage": "edit", "ms/frame": "100.00", "median": "100.00", "p95": "100.00", "times": "10",
    }  # fmt: skip


def test_a_stopwatch_keeps_every_time_and_their_sum() -> None:
    clock = Stopwatch()
    for _ in range(3):
        with clock.time("stage"):
            pass
    assert len(clock.samples()["stage"]) == 3
    assert clock.seconds()["stage"] == pytest.approx(sum(clock.samples()["stage"]), abs=1e-4)


def test_bench_tells_runs_and_stages_and_writes_them_with_the_machine(
    face_clip: FaceClip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = tmp_path / "figures.json"
    line = ["bench", str(face_clip.path), "--rounds", "1", "--json", str(figures), "--quiet"]
    assert main(line) == 0
    shown = capsys.readouterr().out
    for word in ("floor", "edit, analysed", "÷ FLOOR", "edit / render", "analyze / landmarks"):
        assert word in shown
    told = json.loads(figures.read_text(encoding="utf-8"))
    assert told["frames"] == told["edited_frames"] == 10
    assert told["ratios_to_floor"]["edit"]["cpu"] > told["ratios_to_floor"]["floor"]["cpu"] == 1
    assert told["machine"]["cores"] >= 1
    stages = {r["stage"] for r in told["stages"]}
    assert stages >= {
        "analyze / detect",
        "analyze / track",
        "track",
        "decode",
        "align",
        "edit",
        "blend / colour",
    }
    assert stages >= {"encode + mux", "wait for decoder", "wait for edits", "wait for encoder"}
    assert [p.name for p in tmp_path.iterdir()] == ["figures.json"], "files were left"


def test_no_rounds_are_refused(desk: Desk) -> None:
    assert "--rounds 0" in desk.refused(2, "bench", desk.clip, "--rounds", "0")


def test_cloning_is_compared_with_opencv_on_the_same_pictures() -> None:
    (row,) = bench.bench_poisson(rounds=1, side=256, batch=1)
    assert float(row["mean difference"]) <= 1.0
    assert float(row["max difference"]) <= 4.0
    assert float(row["speed-up"]) > 1.0
    edited, plain, mask = bench._edited_faces(64, 1)
    assert np.abs(edited.astype(int) - plain).mean() > 5
    assert set(np.unique(mask)) == {0, 255}
