"""The timing of the generator."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from models.stylegan2.__main__ import main
from models.stylegan2.bench import named_generator, time_variants
from models.stylegan2.net import tiny
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
