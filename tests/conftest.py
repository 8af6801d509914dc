"""Fixtures shared by all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with real faces and reference outputs; they are not part of the project."""
    if not SHARED.is_dir():
        pytest.skip("the folder `shared` with real faces and goldens is not beside the checkout")
    return SHARED
