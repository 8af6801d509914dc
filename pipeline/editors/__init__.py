"""Editors: one file is one editor, found by its file name, plus the entry points of other packages.

A file here (not starting with `_`) declares `SPEC` and a `build` function: `build(pack)` for a
latent editor, `build()` for an image editor. Another package adds one by an entry point in the
group `visagist.editors` that names such a module.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from importlib.metadata import entry_points
from types import ModuleType

from ..errors import UsageError
from ._base import Attribute, EditorSpec, ImageEditor, LatentEditor, Pack

__all__ = ["Attribute", "EditorModule", "EditorSpec", "ImageEditor", "LatentEditor", "Pack"]


@dataclass(frozen=True, slots=True)
class EditorModule:
    """One editor's declaration and where to build it."""

    spec: EditorSpec
    module: ModuleType

    def build_latent(self, pack: Pack) -> LatentEditor:
        """Return the latent editor for a pack."""
        editor: LatentEditor = self.module.build(pack)
        return editor

    def build_image(self) -> ImageEditor:
        """Return the image editor."""
        editor: ImageEditor = self.module.build()
        return editor


def discover() -> dict[str, EditorModule]:
    """Return every editor by name, in file-name order.

    Raises:
        UsageError: a module of this folder or an entry point declares no `SPEC` with `build`.
    """
    names = sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    modules += [point.load() for point in entry_points(group="visagist.editors")]
    editors = {}
    for module in modules:
        spec = getattr(module, "SPEC", None)
        if not isinstance(spec, EditorSpec) or not callable(getattr(module, "build", None)):
            raise UsageError(
                f"{module.__name__} is no editor: it needs `SPEC` (an EditorSpec) and `build`"
            )
        editors[spec.name] = EditorModule(spec, module)
    return editors


def image_editor_of(attribute: str) -> EditorModule | None:
    """Return the image editor that declares an attribute, or None."""
    for editor in discover().values():
        if any(attribute == a.name for a in editor.spec.attributes):
            return editor
    return None
