"""The timing of the generator."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from models.stylegan2.__main__ import main
from models.stylegan2.bench import named_generator, products, time_batches, time_variants
from models.stylegan2.fast import FastGenerator
from models.stylegan2.net import Generator, tiny
from tests.models.golden import recipe_weights


def test_weights_from_names_are_those_the_references_were_computed_with(shared: Path) -> None:
    expected = recipe_weights(shared / "golden/stylegan2_64.recipe.json")
    found = named_generator(64).state_dict()
    assert all(torch.equal(found[key], value) for key, value in expected.items())


def test_every_way_is_timed_and_compared_with_the_plain_one() -> None:
    timings = time_variants(tiny(size=32), rounds=2)
    plain, eager, prepared, rounded = timings
    assert (plain.name, plain.ratio, plain.error) == ("reference float32", 1.0, 0.0)
    assert 0 < eager.error < 1e-5
    assert 0 < prepared.error < 1e-5
    assert 1e-5 < rounded.error < 0.01
    assert all(t.seconds > 0 and t.elapsed > 0 for t in timings)


def test_products_are_those_that_publications_count() -> None:
    with torch.device("meta"):
        largest = Generator(1024)
    assert products(largest) == pytest.approx(143e9, rel=0.01)


def test_on_a_device_every_batch_size_is_timed_in_both_precisions() -> None:
    found = list(time_batches(tiny(size=16), torch.device("cpu"), rounds=1, batches=(1, 3)))
    assert [(t.dtype, t.batch) for t in found] == [
        (dtype, batch) for dtype in (torch.float32, torch.bfloat16) for batch in (1, 3)
    ]
    assert all(t.elapsed > 0 and 0 < t.share < 1 and t.memory == 0 for t in found)


def test_where_memory_ends_the_batches_of_a_precision_end(monkeypatch: pytest.MonkeyPatch) -> None:
    forward = FastGenerator.forward

    def small(self: FastGenerator, w: Tensor) -> Tensor:
        if len(w) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, w)

    monkeypatch.setattr(FastGenerator, "forward", small)
    found = time_batches(tiny(size=8), torch.device("cpu"), rounds=1, batches=(1, 2, 4))
    assert [t.batch for t in found] == [1, 2, 1, 2]


def test_the_command_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    threads = torch.get_num_threads()
    assert main(["bench", "--size", "8", "--rounds", "1", "--threads", str(threads)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines[1:]] == [
        "reference float32",
        "eager float32",
        "prepared float32",
        "prepared bfloat16",
    ]


def test_a_size_that_cannot_be_ends_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--size", "48", "--threads", str(torch.get_num_threads())]) == 1
    assert capsys.readouterr().err.startswith("error: size 48 is not a power of two")
