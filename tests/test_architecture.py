"""Who may import whom: the rules of CONTRIBUTING.md, checked on the syntax trees."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

from tests.import_rules import breaches, dotted_imports, import_graph, lies_in, loops, read_table

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted([*(ROOT / "pipeline").rglob("*.py"), *(ROOT / "models").rglob("*.py")])

DOORS = {
    "av": ("pipeline/media/container/",),
    "dlib": ("pipeline/tracking/detector.py",),
    "face_alignment": ("pipeline/tracking/detect.py",),
    "tqdm": ("pipeline/displays.py",),
    "pickle": ("models/reading/inert.py",),
}
"""Which files may import a library."""

GRAPH = import_graph(ROOT)
TABLE = read_table((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))

STILL_IMPORTED = {
    ("pipeline/stages/edit", "pipeline/editors/_base"),
    ("pipeline/stages/encode", "pipeline/editors/_base"),
    ("pipeline/stages/encode", "pipeline/stages/edit"),
}
"""Imports against the table: the latent editors' work still lies in the stages. To be emptied."""

STILL_ROUND = [
    {
        f"models/{name}/"
        for name in ["directions", "encoders", "latent_transformer", "mini", "packs", "training"]
    },
    {"pipeline/outputs", "pipeline/report", "pipeline/run"},
    {"pipeline/media/container/probe", "pipeline/media/container/same"},
]
"""Loops (any part of these sets): recipes and families in one folder; the request and the plan in
the file that runs them; the types of a probe. To be emptied."""


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _is(module: str, owner: str) -> bool:
    return module == owner or module.startswith(owner + ".")


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_a_file_imports_libraries_only_through_their_door(path: Path) -> None:
    for module in dotted_imports(path, ROOT):
        for library, doors in DOORS.items():
            if _is(module, library):
                assert _name(path).startswith(doors), f"{module} in {_name(path)}"


def test_a_file_imports_only_what_its_row_of_the_table_allows() -> None:
    wrong = breaches(GRAPH, TABLE)
    assert [
        sentence for imported, sentence in wrong.items() if imported not in STILL_IMPORTED
    ] == []
    assert set(wrong) >= STILL_IMPORTED, "mended: take it from the list"


def test_no_files_and_no_folders_import_each_other_in_a_loop() -> None:
    found = loops(GRAPH)
    assert [sorted(loop) for loop in found if not any(loop <= known for known in STILL_ROUND)] == []
    for known in STILL_ROUND:
        assert any(loop <= known for loop in found), f"mended: take {sorted(known)} from the list"


def test_the_table_names_no_room_that_is_not_there() -> None:
    rooms = [room for row in TABLE for room in (*row.rooms, *row.allowed)]
    assert [room for room in rooms if not any(lies_in(module, room) for module in GRAPH)] == []


def test_what_both_sides_use_is_light() -> None:
    """Whoever writes a file or reads landmarks must not have to load the networks."""
    for name, light in (("files", set()), ("reading/arrays", {"numpy"})):
        libraries = {m.partition(".")[0] for m in dotted_imports(ROOT / f"models/{name}.py", ROOT)}
        assert libraries <= sys.stdlib_module_names | light, name


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
            for module in dotted_imports(path, ROOT):
                own = (family, *RECIPES.get(family, ()))
                others = [f for f in families if f not in own and _is(module, f"models.{f}")]
                assert not others, f"{_name(path)} imports {module}"


def test_nothing_prints_but_the_console_and_commands_of_training() -> None:
    for path in SOURCES:
        if path.name == "__main__.py":
            continue
        calls = (n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call))
        names = [c.func.id for c in calls if isinstance(c.func, ast.Name)]
        assert "print" not in names, _name(path)


def test_torch_load_is_called_nowhere() -> None:
    for path in SOURCES:
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
