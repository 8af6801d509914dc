"""Who imports whom: the imports as a graph, its loops, and the table of what is allowed.

A *module* is a file by its path without `.py`, from the root of the project: `pipeline/run`.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Graph = Mapping[str, frozenset[str]]
"""What each module imports, by module."""


def module_of(path: Path, root: Path) -> str:
    """Return the module in a file."""
    return path.relative_to(root).with_suffix("").as_posix()


def dotted_imports(path: Path, root: Path) -> Iterator[str]:
    """Yield every name a file imports, anywhere in it, by absolute dotted name.

    Imports for types only and those by a constant name (`import_module("pipeline.run")`) count.
    """
    package = list(path.relative_to(root).parent.parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and "import" in ast.unparse(node.func):
            named = node.args[0] if node.args else None
            if isinstance(named, ast.Constant) and isinstance(named.value, str):
                level = len(named.value) - len(named.value.lstrip("."))
                base = package[: len(package) - level + 1] if level else []
                yield ".".join([*base, named.value[level:]])


def import_graph(root: Path, folders: Sequence[str] = ("pipeline", "models")) -> Graph:
    """Return what each module of some folders imports of these folders."""
    paths = [path for folder in folders for path in sorted((root / folder).rglob("*.py"))]
    modules = {module_of(path, root) for path in paths}
    graph = {}
    for path in paths:
        module, names = module_of(path, root), dotted_imports(path, root)
        graph[module] = frozenset({_module_named(n, modules) for n in names} - {"", module})
    return graph


def _module_named(dotted: str, modules: set[str]) -> str:
    """Return the module a dotted name is or lies in, "" for one of another project."""
    parts = dotted.split(".")
    for count in range(len(parts), 0, -1):
        place = "/".join(parts[:count])
        for module in (place, f"{place}/__init__"):
            if module in modules:
                return module
    return ""


def loops(graph: Graph) -> list[frozenset[str]]:
    """Return every loop among the files and folders of one folder, at any depth.

    A folder imports what any file in it imports. A loop is the whole set of names, none of which
    can be taken away from the others: `{"models/a/", "models/b/"}`.
    """
    beside: dict[str, dict[str, set[str]]] = {}
    for module, imported in graph.items():
        for other in imported:
            folder, here, there = _meeting(module, other)
            beside.setdefault(folder, {}).setdefault(here, set()).add(there)
    return [loop for folder in sorted(beside) for loop in _circles(beside[folder])]


def _meeting(a: str, b: str) -> tuple[str, str, str]:
    """Return the innermost folder that holds two modules, and the child of it each lies in."""
    folder = ""
    while (child := _child(a, folder)) == _child(b, folder):
        folder = child
    return folder, child, _child(b, folder)


def _child(module: str, folder: str) -> str:
    """Return the file or folder right below a folder that a module is or lies in."""
    name, slash, _ = module[len(folder) :].partition("/")
    return folder + name + slash


def _circles(graph: Mapping[str, Iterable[str]]) -> list[frozenset[str]]:
    """Return the sets of nodes that reach one another."""
    reach = {node: _reached(node, graph) for node in graph}
    sets = {frozenset(b for b in reach[a] if a in reach.get(b, ())) for a in reach if a in reach[a]}
    return sorted(sets, key=sorted)


def _reached(start: str, graph: Mapping[str, Iterable[str]]) -> set[str]:
    """Return every node reached from one by one step or more."""
    reached: set[str] = set()
    ahead = list(graph[start])
    while ahead:
        node = ahead.pop()
        if node not in reached:
            reached.add(node)
            ahead += graph.get(node, ())
    return reached


@dataclass(frozen=True)
class Row:
    """One row of the table: the rooms in it, and the rooms they may import."""

    rooms: tuple[str, ...]
    allowed: tuple[str, ...]

    def room_of(self, module: str) -> str:
        """Return the room of this row that a module lies in, the closest one, "" for none."""
        return max((room for room in self.rooms if lies_in(module, room)), key=len, default="")

    def permits(self, room: str, other: str) -> bool:
        """Return whether a module in a room of this row may import another module."""
        beside = [place for place in self.rooms if place != room or not room.endswith("*")]
        return any(lies_in(other, place) for place in (*self.allowed, *beside))


def lies_in(module: str, room: str) -> bool:
    """Return whether a module is a room (a file) or lies in one (`folder/`, `folder/*`)."""
    return module == room or (room[-1] in "/*" and module.startswith(room.rstrip("*")))


def read_table(text: str) -> list[Row]:
    """Read rows of Markdown, `| **name** `room` … | … | **name** `room` … |`, a name being all
    rooms of the row it stands in, and **all above** the rooms of all rows before."""
    groups: dict[str, tuple[str, ...]] = {"all above": ()}
    rows = []
    for line in text.splitlines():
        if line.startswith("| **"):
            _, who, *_, allowed, _ = line.split("|")
            rooms = _rooms(who)
            named = [groups[name] for name in re.findall(r"\*\*([^*]+)\*\*", allowed)]
            rows.append(Row(rooms, (*_rooms(allowed), *itertools.chain(*named))))
            groups.update(dict.fromkeys(re.findall(r"\*\*([^*]+)\*\*", who), rooms))
            groups["all above"] += rooms
    return rows


def _rooms(cell: str) -> tuple[str, ...]:
    """Return the rooms named in a cell, `pipeline/` put before those that leave it out."""
    names = re.findall(r"`([^`]+)`", cell)
    return tuple(name if name.startswith("models/") else f"pipeline/{name}" for name in names)


def breaches(graph: Graph, rows: Sequence[Row]) -> dict[tuple[str, str], str]:
    """Return each import that no row allows: importer and imported, and a sentence about it.

    A module in no row stands there with "" for what it imports.
    """
    wrong = {}
    for module, imported in graph.items():
        row = max(rows, key=lambda row: len(row.room_of(module)))
        room = row.room_of(module)
        if not room:
            wrong[module, ""] = f"{module} is in no row of the table"
            continue
        for other in sorted(imported):
            if not row.permits(room, other):
                wrong[module, other] = f"{module} imports {other}: {room} may not"
    return wrong
