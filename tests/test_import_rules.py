"""The rules for imports see what they should: small trees with one wrong import each."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.import_rules import breaches, import_graph, loops, read_table

TABLE = """
| who | what for | may import |
|---|---|---|
| **nouns** `types` | words | |
| **imaging** `imaging/` | functions | **nouns** |
| **editors** `editors/*` | one file each | **imaging** **nouns** |
| **commands** `__init__` `cli` `run` | all | **all above** `models/` |
| **networks** `models/` | never the program | |
"""
FILES = (
    *(f"pipeline/{name}.py" for name in ("__init__", "types", "cli", "run")),
    *(f"pipeline/imaging/{name}.py" for name in ("__init__", "warp", "masks")),
    *(f"pipeline/editors/{name}.py" for name in ("__init__", "smooth", "sharpen")),
    *(f"models/{name}.py" for name in ("__init__", "base", "a/__init__", "a/net", "b/net")),
)


def _tree(root: Path, sources: dict[str, str]) -> Path:
    """Write empty files, and some with a source, by module."""
    for name in FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    for name, source in sources.items():
        (root / f"{name}.py").write_text(source)
    return root


@pytest.mark.parametrize(
    ("importer", "source"),
    [
        ("pipeline/imaging/warp", "from ..run import edit"),
        ("pipeline/imaging/warp", "from .. import cli"),
        ("pipeline/imaging/warp", "def f():\n    import pipeline.editors.smooth"),
        ("pipeline/imaging/warp", "from pipeline import edit"),
        ("pipeline/imaging/warp", "importlib.import_module('pipeline.run')"),
        ("pipeline/imaging/warp", "import_module('..run', __package__)"),
        ("pipeline/types", "if TYPE_CHECKING:\n    from .imaging.masks import M"),
        ("pipeline/editors/smooth", "from .sharpen import SPEC"),
        ("pipeline/editors/smooth", "from models.base import X"),
        ("models/base", "import pipeline"),
        ("models/a/net", "from pipeline.types import Frame"),
        ("pipeline/stray", ""),
    ],
)
def test_an_import_against_the_table_is_seen(tmp_path: Path, importer: str, source: str) -> None:
    root = _tree(tmp_path, {importer: source})
    wrong = breaches(import_graph(root), read_table(TABLE))
    assert [module for module, _ in wrong] == [importer]


def test_imports_by_the_table_pass(tmp_path: Path) -> None:
    root = _tree(
        tmp_path,
        {
            "pipeline/run": "from . import types\nfrom .imaging import warp\nimport models.a",
            "pipeline/cli": "from . import run",
            "pipeline/imaging/warp": "from .masks import m\nfrom ..types import Frame",
            "pipeline/editors/smooth": "from ..imaging import masks",
            "models/a/net": "from ..base import X\nfrom ..b.net import Y",
        },
    )
    graph = import_graph(root)
    assert breaches(graph, read_table(TABLE)) == {}
    assert loops(graph) == []


@pytest.mark.parametrize(
    ("sources", "loop"),
    [
        (
            {"pipeline/run": "from . import cli", "pipeline/cli": "from .run import edit"},
            {"pipeline/run", "pipeline/cli"},
        ),
        (
            {"models/a/net": "from ..b import net", "models/b/net": "from ..a import A"},
            {"models/a/", "models/b/"},
        ),
        (
            {
                "pipeline/run": "from .imaging import warp",
                "pipeline/imaging/masks": "from .. import cli",
                "pipeline/cli": "from . import run",
            },
            {"pipeline/run", "pipeline/imaging/", "pipeline/cli"},
        ),
        (
            {"models/a/__init__": "from .net import A", "models/a/net": "from . import A"},
            {"models/a/__init__", "models/a/net"},
        ),
    ],
)
def test_a_loop_of_files_or_folders_is_seen(
    tmp_path: Path, sources: dict[str, str], loop: set[str]
) -> None:
    assert loops(import_graph(_tree(tmp_path, sources))) == [loop]
