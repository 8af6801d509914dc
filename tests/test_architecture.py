"""Who may import whom: the rules of CONTRIBUTING.md, checked on the syntax trees."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted([*(ROOT / "pipeline").rglob("*.py"), *(ROOT / "models").rglob("*.py")])

DOORS: dict[str, tuple[str, ...]] = {
    "av": ("pipeline/media/container/",),
    "dlib": ("pipeline/tracking/detector.py",),
    "face_alignment": ("pipeline/tracking/detect.py",),
    "tqdm": ("pipeline/displays.py",),
    "pickle": ("models/reading/inert.py",),
}
"""Which files may import a library."""

FORBIDDEN = (
    ("models/", "pipeline"),
    ("pipeline/stages/", "pipeline.media"),
    ("pipeline/stages/", "pipeline.run"),
    ("pipeline/stages/", "pipeline.loading"),
    ("pipeline/editors/", "pipeline.stages"),
    ("pipeline/editors/", "pipeline.media"),
    ("pipeline/editors/", "pipeline.loading"),
    ("pipeline/imaging/", "pipeline.stages"),
    ("pipeline/imaging/", "pipeline.media"),
    ("pipeline/imaging/", "pipeline.editors"),
    ("pipeline/media/container/", "pipeline.stages"),
)
"""Folder, and the module it must never import."""


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _imports(path: Path) -> Iterator[str]:
    """Yield every imported module by absolute dotted name."""
    package = list(path.relative_to(ROOT).parent.parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _is(module: str, owner: str) -> bool:
    return module == owner or module.startswith(owner + ".")


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_a_file_imports_libraries_only_through_their_door(path: Path) -> None:
    for module in _imports(path):
        for library, doors in DOORS.items():
            if _is(module, library):
                assert _name(path).startswith(doors or ("nowhere",)), f"{module} in {_name(path)}"


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_a_file_keeps_to_its_layer(path: Path) -> None:
    for module in _imports(path):
        for folder, forbidden in FORBIDDEN:
            if _name(path).startswith(folder):
                assert not _is(module, forbidden), f"{_name(path)} imports {module}"


LIGHT = {"pipeline/files.py": "models.files", "pipeline/npz.py": "models.reading.arrays"}
"""Doors to `models` beside the seam, and the file that both sides use."""


def test_only_the_seam_reaches_models() -> None:
    seam = "pipeline/loading/"
    for path in SOURCES:
        if _name(path).startswith("pipeline/") and not _name(path).startswith(seam):
            reached = {m for m in _imports(path) if _is(m, "models")}
            if shared := LIGHT.get(_name(path)):
                reached = {m for m in reached if not _is(m, shared)}
            assert not reached, _name(path)


def test_what_both_sides_use_is_light() -> None:
    """Whoever writes a file or reads landmarks must not have to load the networks."""
    for module in LIGHT.values():
        path = ROOT / f"{module.replace('.', '/')}.py"
        names = {name.partition(".")[0] for name in _imports(path)}
        assert names <= {*sys.stdlib_module_names, "numpy"}, module
    assert "numpy" not in {name.partition(".")[0] for name in _imports(ROOT / "models/files.py")}


WRITING = re.compile(
    r"\.write_(text|bytes)\(|mkstemp|NamedTemporaryFile|imwrite\(|save_file\(|(?<!safetensors\.)torch\.save\("
    r"|os\.(replace|rename)\(|\.open\([^)]*[\"'][wxa]b?[\"']|np\.savez?\((?!\s*file,)"
)


def test_only_one_file_writes_files() -> None:
    """All others ask it, so that what they write is there as a whole or not at all."""
    for path in SOURCES:
        if _name(path) != "models/files.py":
            found = WRITING.search(path.read_text(encoding="utf-8"))
            assert found is None, f"{_name(path)}: {found}"


NO_FAMILY = ("ops", "reading", "training", "importing", "packs", "curves")
"""Folders of `models` that hold no network: what families share, and what works on all of them."""

RECIPES = {"mini": ("stylegan2", "latent_transformer", "directions")}
"""Folders that hold no network family of their own but train others into a pack, and which."""


def test_model_families_do_not_import_each_other() -> None:
    folders = [p.name for p in (ROOT / "models").iterdir() if p.is_dir() and p.name[0] != "_"]
    families = [name for name in folders if name not in NO_FAMILY]
    assert families
    for family in families:
        for path in (ROOT / "models" / family).rglob("*.py"):
            for module in _imports(path):
                own = (family, *RECIPES.get(family, ()))
                others = [f for f in families if f not in own and _is(module, f"models.{f}")]
                assert not others, f"{_name(path)} imports {module}"


def test_editors_do_not_import_each_other() -> None:
    for path in (ROOT / "pipeline/editors").glob("[!_]*.py"):
        for module in _imports(path):
            if _is(module, "pipeline.editors") and module != "pipeline.editors":
                assert module.startswith("pipeline.editors._base"), f"{_name(path)}: {module}"


def test_nothing_prints_but_the_console_and_commands_of_training() -> None:
    for path in SOURCES:
        if path.name == "__main__.py":
            continue
        calls = (n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call))
        names = [c.func.id for c in calls if isinstance(c.func, ast.Name)]
        assert "print" not in names, _name(path)


def test_torch_load_is_called_only_by_the_safe_loader() -> None:
    for path in SOURCES:
        if _name(path) != "models/weights.py":
            assert "torch.load" not in path.read_text(encoding="utf-8"), _name(path)


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_files_and_functions_stay_small_enough_to_read(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno + 1 <= 60, f"{node.name} in {_name(path)}"


def test_the_map_in_contributing_names_every_file_and_folder_and_no_other() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    words = set(text.split("## Where things are")[1].split("```")[1].split())
    there = {
        path.name + "/" * path.is_dir()
        for folder in ("pipeline", "models")
        for path in (ROOT / folder).iterdir()
        if path.name[0] != "_" and (path.is_dir() or path.suffix == ".py")
    }
    assert there <= words
    assert {word for word in words if word.endswith(".py")} <= there
