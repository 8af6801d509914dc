"""Editors: one file is one editor, found by its file name, plus the entry points of other packages.

A file here (not starting with `_`) declares `SPEC`, an `EditorSpec`, and `build(kit)`, which
returns the `Editor`. Another package adds one by an entry point in the group `visagist.editors`
that names such a module.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points

from ..errors import UsageError
from ._attribute import FACE, Attribute
from ._base import FACE_MODEL, PARSING, Artefact, Editor, EditorSpec, Kit, Shot, Work
from ._face_model import Pack

__all__ = [
    "FACE",
    "FACE_MODEL",
    "PARSING",
    "Artefact",
    "Attribute",
    "Editor",
    "EditorModule",
    "EditorSpec",
    "Kit",
    "Pack",
    "Shot",
    "Work",
    "discover",
]


@dataclass(frozen=True, slots=True)
class EditorModule:
    """One editor's declaration and what builds it."""

    spec: EditorSpec
    build: Callable[[Kit], Editor]


def discover() -> dict[str, EditorModule]:
    """Return every editor by name: those of this folder in the order of their names, then others.

    Raises:
        UsageError: a module of this folder or an entry point declares no `SPEC` with `build`.
    """
    names = sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    modules += [point.load() for point in entry_points(group="visagist.editors")]
    editors = {}
    for module in modules:
        spec, build = getattr(module, "SPEC", None), getattr(module, "build", None)
        if not isinstance(spec, EditorSpec) or not callable(build):
            raise UsageError(
                f"{module.__name__} is no editor: it needs `SPEC` (an EditorSpec) and `build(kit)`"
            )
        editors[spec.name] = EditorModule(spec, build)
    return editors
