"""Workers of a Ray cluster, with fake work; `same_everywhere.py` has two nodes make real edits."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from pipeline.batch import cluster
from pipeline.batch.manifest import read_manifest
from pipeline.batch.ray_pool import Actors
from pipeline.batch.schedule import Schedule
from pipeline.batch.serving import Order
from pipeline.batch.shots import Desk
from pipeline.batch.units import Ending
from pipeline.cli import main
from pipeline.errors import VisagistError
from tests.pipeline.batch.fakes import ROOT, SHOTS, FakeMaker, hashes, made_here

REEL = """version = 1
output = "{shot}.mp4"
[[shot]]
name = "a"
input = "no.mp4"
attr = "smile"
"""


def test_without_ray_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    before = signal.getsignal(signal.SIGTERM)
    path = tmp_path / "reel.toml"
    path.write_text(REEL)
    assert main(["run", str(path), "--on", "ray"]) == 2
    assert "needs the extra `cluster`" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_machine_that_computes_otherwise_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "reel.toml"
    path.write_text(REEL)
    reel = read_manifest(path)
    facts = cluster.facts_of(reel, Desk.of(reel).program)
    cluster.maker_of(path, False, facts)
    for name, told in (
        ("processors", "processors: {'cpu': 'cpu"),
        ("libraries", "libraries: {'"),
        ("code", "in its code; "),
    ):
        with pytest.raises(VisagistError, match=re.escape(platform.node())) as raised:
            cluster.maker_of(path, False, {**facts, name: "of another kind"})
        assert told in str(raised.value)


def maker(folder: Path) -> Callable[[Order], None]:
    """Return what makes fake units, and is killed once; called on the cluster."""
    make = FakeMaker(folder, pause_s=0).carry_out

    def carry_out(order: Order) -> None:
        if (order.shot, order.unit) == ("sh0", "1") and not (folder / "killed").exists():
            (folder / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        make(order)

    return carry_out


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the extra `cluster`")
@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_workers_of_a_cluster_one_killed_one_failing_make_what_one_process_makes(
    tmp_path: Path,
) -> None:
    made_here(tmp_path / "here", SHOTS)
    folder = tmp_path / "ray"
    targets, endings = FakeMaker(folder).targets, list[Ending]()
    for shot in SHOTS:
        targets.expect(shot.unit("join").key, shot.name, folder / f"{shot.name}.out")
    environment = {"PYTHONPATH": str(ROOT), "FATE": "fail sh1 2"}
    with Actors(partial(maker, folder), 2, cores=1, environment=environment) as pool:
        Schedule(SHOTS, targets, ended=endings.append).run(pool)
    assert (folder / "killed").exists()
    told = {ending.shot: (ending.state, ending.unit) for ending in endings}
    assert told == {"sh0": ("done", ""), "sh1": ("failed", "2"), "sh2": ("done", "")}
    (trouble,) = [ending.trouble for ending in endings if ending.trouble is not None]
    assert (trouble.words, trouble.exit_code) == ("nothing to see", 3)
    assert trouble.log == ("about to fail in 2",)
    there = hashes(tmp_path / "here")
    assert hashes(folder) == {name: there[name] for name in ("sh0.out", "sh2.out")}
