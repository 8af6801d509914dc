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

DOORS: dict[str, tuple[str, ...]] = {
    "av": ("pipeline/media/container/",),
    "dlib": ("pipeline/tracking/detector.py",),
    "face_alignment": ("pipeline/tracking/detect.py",),
    "opentimelineio": ("pipeline/timelines.py",),
    "tqdm": ("pipeline/displays.py",),
    "pickle": ("models/reading/inert.py",),
}
"""Which files may import a library."""

GRAPH = import_graph(ROOT)
TABLE = read_table((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))


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
    assert list(breaches(GRAPH, TABLE).values()) == []


def test_no_files_and_no_folders_import_each_other_in_a_loop() -> None:
    assert [sorted(loop) for loop in loops(GRAPH)] == []


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


GROUND = (
    *("ops", "reading", "base", "files", "home", "parts", "state_dicts", "topology68"),
    *("weights",),
)
"""What every network family may import: folders and files of `models` that know no family."""

ABOVE = ("importing", "packs", "networks", "movers")
"""What works on all families."""

RECIPES = ("mini", "encoder_recipe", "curves", "evaluation")
"""What trains or measures several families; nothing imports it."""

LOOKED_AT = {"attribute_network": {"arcface", "head", "parsing", "recognition"}}
"""Other families that the recipe beside a family draws and measures with."""

ENTRANCES = (
    "networks",
    "packs.opening",
    "importing.bring",
    "portrait",
    "portrait_movers",
    "landmarks",
)
"""What the pipeline loads of `models`, beside every family's `__init__` and `files`."""


def _rooms(path: Path) -> set[str]:
    """Return the folders and files of `models` that a file imports from, by their first name."""
    return {m.split(".")[1] for m in dotted_imports(path, ROOT) if m.startswith("models.")}


def _room(path: Path) -> str:
    return path.relative_to(ROOT / "models").with_suffix("").parts[0]


MODEL_FILES = [path for path in SOURCES if path.is_relative_to(ROOT / "models")]
FAMILIES = sorted(
    {_room(path) for path in MODEL_FILES if path.parent != ROOT / "models"}
    - {*GROUND, *ABOVE, *RECIPES, "training"}
)


@pytest.mark.parametrize("path", MODEL_FILES, ids=_name)
def test_families_import_the_ground_and_recipes_import_families_never_the_reverse(
    path: Path,
) -> None:
    room, rooms = _room(path), _rooms(path)
    allowed = {room, *GROUND}
    if room in FAMILIES:
        # What trains and measures a family lies beside it, and is loaded for that only.
        allowed |= {"training"} | LOOKED_AT.get(room, set())
    elif room not in (*GROUND, "training"):
        allowed |= {*FAMILIES, *ABOVE} | ({"training"} if room in RECIPES else set())
    assert rooms & {*FAMILIES, *ABOVE, *RECIPES, *GROUND, "training"} <= allowed


def test_folders_of_models_import_each_other_in_one_direction() -> None:
    imports: dict[str, set[str]] = {}
    for path in MODEL_FILES:
        imports.setdefault(_room(path), set()).update(_rooms(path) - {_room(path)})
    while imports:  # what imports nothing that is left cannot be part of a loop
        free = [room for room, rooms in imports.items() if not rooms & set(imports)]
        assert free, f"a loop among {sorted(imports)}"
        for room in free:
            del imports[room]


def test_what_the_pipeline_loads_of_models_reaches_no_training() -> None:
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in MODEL_FILES
    }
    starts = {f"models.{name}" for name in (*ENTRANCES, *FAMILIES)}
    waiting = [*starts, *(m for m in modules if m.endswith(".files"))]
    seen: set[str] = set()
    while waiting:
        module = waiting.pop()
        if module in modules and module not in seen:
            seen.add(module)
            waiting += [*dotted_imports(modules[module], ROOT), module.rpartition(".")[0]]
    rooms = {module.split(".")[1] for module in seen if "." in module}
    assert not rooms & {*RECIPES, "training"}


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


def test_no_two_sections_of_contributing_have_one_name() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    names = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    assert len(names) == len(set(names))
