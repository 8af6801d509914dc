"""A small turntable for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.models.attribute_network import small_turntable


@pytest.fixture(scope="session")
def turntable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_turntable.write(tmp_path_factory.mktemp("turntable") / "T")
