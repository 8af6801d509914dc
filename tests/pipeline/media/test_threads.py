"""The threaded reader and writer do what the plain loop does, and stop when asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.config import EncodeOptions
from pipeline.errors import OutputError
from pipeline.media.container.decode import VideoReader
from pipeline.media.container.encode import VideoWriter
from pipeline.media.container.preflight import preflight_output
from pipeline.media.container.probe import probe
from pipeline.media.threads import BackgroundWriter, in_order, prefetch
from pipeline.types import Frame, PixelEncoding
from tests.pipeline.media.conftest import Tools

MakeClip = Callable[..., Path]


def own_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("visagist-")]


def frame(index: int) -> Frame:
    encoding = PixelEncoding("gray", 8, "gray", full_range=True)
    return Frame(index, index, 1, (np.zeros((2, 2), np.uint8),), encoding)


class Recorder:
    """A writer that notes what happens to it."""

    def __init__(self, fail_at: int = -1, delay_s: float = 0.0) -> None:
        self.fail_at, self.delay_s = fail_at, delay_s
        self.written: list[int] = []
        self.left_with: list[type[BaseException] | None] = []

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.left_with.append(kind)

    def write(self, item: Frame) -> None:
        time.sleep(self.delay_s)
        if item.index == self.fail_at:
            raise OutputError("the disk is full")
        self.written.append(item.index)


def write(recorder: Recorder, count: int, then: type[BaseException] | None = None) -> None:
    with BackgroundWriter(recorder, depth=8) as writer:
        for k in range(count):
            writer.write(frame(k))
        if then is not None:
            raise then


def test_prefetch_gives_the_same_items_in_order() -> None:
    with prefetch(range(100), depth=3) as items:
        assert list(items) == list(range(100))
    assert own_threads() == []


def test_prefetch_never_runs_further_ahead_than_its_depth() -> None:
    made: list[int] = []

    def source() -> Iterator[int]:
        for k in range(50):
            made.append(k)
            yield k

    with prefetch(source(), depth=4) as items:
        assert next(items) == 0
        time.sleep(0.3)
        assert len(made) <= 1 + 4 + 1  # taken, waiting, and one in the hand
    assert own_threads() == []


def test_an_error_of_the_source_comes_in_its_place() -> None:
    def source() -> Iterator[int]:
        yield 1
        yield 2
        raise OSError("the disk is gone")

    with prefetch(source()) as items:
        assert (next(items), next(items)) == (1, 2)
        with pytest.raises(OSError, match="the disk is gone"):
            next(items)
    assert own_threads() == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_leaving_early_stops_the_thread(error: type[BaseException]) -> None:
    def leave() -> None:
        with prefetch(iter(int, 1), depth=2) as items:
            next(items)
            raise error

    with pytest.raises(error):
        leave()
    assert own_threads() == []


def test_results_come_in_the_order_of_the_items_whichever_is_ready_first() -> None:
    def slow_at_first(k: int) -> int:
        time.sleep(0.02 if k % 3 == 0 else 0.0)
        return k * k

    with in_order(slow_at_first, range(30)) as results:
        assert list(results) == [k * k for k in range(30)]
    assert own_threads() == []


def test_two_items_are_worked_on_at_once() -> None:
    both = threading.Barrier(2, timeout=20)

    def meet(k: int) -> int:
        both.wait()
        return k

    with in_order(meet, range(8), workers=2) as results:
        assert list(results) == list(range(8))


def test_items_are_taken_as_results_are_used_and_the_rest_is_dropped() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for k in range(50):
            taken.append(k)
            yield k

    with in_order(str, items(), workers=2) as results:
        assert next(results) == "0"
        assert len(taken) == 4
    assert own_threads() == []


def test_an_error_of_the_work_comes_in_its_place() -> None:
    def work(k: int) -> float:
        return 1 / (2 - k)

    with in_order(work, range(5)) as results:
        assert (next(results), next(results)) == (0.5, 1.0)
        with pytest.raises(ZeroDivisionError):
            next(results)
    assert own_threads() == []


def test_the_background_writer_writes_all_and_then_closes() -> None:
    recorder = Recorder(delay_s=0.002)
    write(recorder, 20)
    assert recorder.written == list(range(20))
    assert recorder.left_with == [None]
    assert own_threads() == []


def test_an_error_of_the_writer_reaches_the_producer_and_closes_it_as_failed() -> None:
    recorder = Recorder(fail_at=3)
    with pytest.raises(OutputError, match="the disk is full"):
        write(recorder, 1000)
    assert recorder.written == [0, 1, 2]
    assert recorder.left_with == [OutputError]
    assert own_threads() == []


def test_an_error_on_the_last_frame_is_not_lost() -> None:
    recorder = Recorder(fail_at=0, delay_s=0.1)
    with pytest.raises(OutputError, match="full"):
        write(recorder, 1)
    assert recorder.left_with == [OutputError]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_of_the_producer_drops_what_waits(error: type[BaseException]) -> None:
    recorder = Recorder(delay_s=0.05)
    with pytest.raises(error):
        write(recorder, 8, then=error)
    assert len(recorder.written) < 8
    assert recorder.left_with == [error]
    assert own_threads() == []


def test_a_threaded_run_makes_the_same_file_as_the_plain_one(
    make_clip: MakeClip, tools: Tools, tmp_path: Path
) -> None:
    source = make_clip("in.mp4", frames=40, audio=("eng",))
    plain, threaded = tmp_path / "plain.mp4", tmp_path / "threaded.mp4"
    tools.transcode(source, plain)
    found = probe(source)
    plan = preflight_output(threaded, found, EncodeOptions())
    with (
        VideoReader(found) as reader,
        prefetch(reader, depth=3) as frames,
        BackgroundWriter(VideoWriter(plan, threads=1), depth=3) as writer,
    ):
        for item in frames:
            writer.write(item)
    assert plain.read_bytes() == threaded.read_bytes()
    assert own_threads() == []
