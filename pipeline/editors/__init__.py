"""Editors: one file is one editor, found by its file name, plus the entry points of other packages.

A file here (not starting with `_`) declares `SPEC`, an `EditorSpec`, and `build(kit)`, which
returns the `Editor`. Another package adds one by an entry point in the group `visagist.editors`
that names such a module; one that cannot be used is named and skipped (`_plugins.py`).
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import ModuleType

from ..errors import UsageError
from ._attribute import FACE, Attribute
from ._base import FACE_MODEL, PARSING, Artefact, Editor, EditorSpec, Kit, Shot, Work
from ._face_model import Codes, Mover, Pack
from ._plugins import Plugin, load_plugins, plugin_versions

__all__ = [
    "FACE",
    "FACE_MODEL",
    "PARSING",
    "Artefact",
    "Attribute",
    "Codes",
    "Editor",
    "EditorModule",
    "EditorSpec",
    "Kit",
    "Mover",
    "Pack",
    "Plugin",
    "Shot",
    "Work",
    "discover",
    "found",
    "plugin_versions",
]


@dataclass(frozen=True, slots=True)
class EditorModule:
    """One editor's declaration and what builds it."""

    spec: EditorSpec
    build: Callable[[Kit], Editor]


def discover() -> dict[str, EditorModule]:
    """Return every editor by name: those of this folder in the order of their names, then those of
    other packages that can be used.

    Raises:
        UsageError: a module of this folder declares no `SPEC` with `build`.
    """
    return found()[0]


def found() -> tuple[dict[str, EditorModule], list[Plugin]]:
    """Return every editor by name, and every plug-in with what is wrong with it, if anything.

    Raises:
        UsageError: as `discover`.
    """
    names = sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))
    editors: dict[str, EditorModule] = {}
    for name in names:
        module = importlib.import_module(f"{__name__}.{name}")
        editor = _editor_of(module)
        if editor is None:
            raise UsageError(f"{module.__name__} is no editor: {_NEEDED}")
        editors[editor.spec.name] = editor
    plugins = []
    for plugin in load_plugins():
        editor = None if plugin.module is None else _editor_of(plugin.module)
        why = plugin.why or _NEEDED
        if editor is not None and editor.spec.name in editors:
            why = f"there is another editor called {editor.spec.name!r}"
        elif editor is not None:
            editors[editor.spec.name], why = editor, ""
        plugins.append(replace(plugin, why=why))
    return editors, plugins


_NEEDED = "it needs `SPEC` (an EditorSpec) and `build(kit)`"


def _editor_of(module: ModuleType) -> EditorModule | None:
    spec, build = getattr(module, "SPEC", None), getattr(module, "build", None)
    if not isinstance(spec, EditorSpec) or not callable(build):
        return None
    return EditorModule(spec, build)
