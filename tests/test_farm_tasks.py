"""What tasks of render farms call: a share of a shot's chunks, made ahead; how they end."""

from __future__ import annotations

import pytest

from pipeline.batch.making import Maker
from tests.test_batch import B, Bench, bench

__all__ = ["bench"]  # a fixture


def kept(bench: Bench) -> set[str]:
    return {unit for unit, state in bench.states().items() if state == "kept"}


def test_a_task_makes_its_share_of_the_chunks_however_many_there_are(bench: Bench) -> None:
    bench.write(f"{B}\nchunk = 2")
    share = ("--shot", "b", "--unit")
    assert bench.run(*share, "3/2") == 2
    assert "there is no such share; accepted: 1/N to N/N" in bench.said()
    assert bench.run(*share, "1/2") == 0
    assert kept(bench) == {"b analysis", "b codes", "b 0", "b 2"}
    assert bench.run(*share, "7/7") == 0
    assert kept(bench) == {"b analysis", "b codes", "b 0", "b 2"}
    assert bench.run(*share, "2/2") == 0
    assert bench.run("--shot", "b") == 0
    assert bench.made() == {"b": 1}


def test_what_is_wrong_with_a_shot_is_left_to_the_task_that_delivers_it(bench: Bench) -> None:
    bench.write('name = "lost"\ninput = "lost.mp4"')
    for unit in ("analysis", "codes", "1/2"):
        assert bench.run("--shot", "lost", "--unit", unit, "--ahead") == 0
        said = bench.said()
        assert said.startswith("visagist: warning: shot lost: ")
        assert "the task that delivers it will say so too" in said
        assert bench.run("--shot", "lost", "--unit", unit) == 3
    assert bench.run("--shot", "lost") == 3
    assert bench.run("--shot", "no such shot", "--unit", "1/2", "--ahead") == 2


@pytest.mark.parametrize("options", [("--unit", "analysis", "--ahead"), ("--on", "here")])
@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        OSError(28, "No space left on device"),
    ],
    ids=repr,
)
def test_memory_and_disks_that_are_full_have_a_task_tried_again(
    error: Exception, options: tuple[str, ...], bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    bench.write(B)
    monkeypatch.setattr(Maker, "_analyse", fail)
    assert bench.run("--shot", "b", *options) == 75
    assert bench.run("--shot", "b", *options, "--retry-code", "99") == 99
    assert "out of memory" in bench.said() or isinstance(error, OSError)


def test_memory_that_runs_out_before_the_first_unit_has_a_batch_tried_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    bench.write(B)
    monkeypatch.setattr("pipeline.batch.command.check", fail)
    assert bench.run() == 75
    assert bench.run("--shot", "b", "--unit", "0", "--retry-code", "99") == 99
