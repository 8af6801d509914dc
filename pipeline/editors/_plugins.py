"""Editors, and kinds of movers, of other packages: found by their entry points, and skipped by name
if they cannot be used.

A plug-in imports `visagist.pipeline`, as the installed program is called. In a checkout that runs
as `python -m pipeline` the same modules have other names; a second copy of them, under the
installed name, would hold other classes of the same name, and no `EditorSpec` would be one. So
there the installed names lead to the modules that run.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Final

EDITORS: Final = "visagist.editors"
"""Group of the entry points of editors."""
MOVERS: Final = "visagist.movers"
"""Group of those of kinds of movers."""

_INSTALLED: Final = "visagist"
_OWN: Final = ("pipeline", "models")
"""Packages that are called `visagist.NAME` once installed."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """An editor or kind of mover of another package, as it was found."""

    name: str
    """Of the entry point."""
    package: str
    """Distribution and its version."""
    module: ModuleType | None
    """None if it cannot be imported."""
    why: str = ""
    """What was wrong, if anything."""
    what: str = "editor"
    """`editor`, or `mover`."""

    @property
    def complaint(self) -> str:
        """A sentence on a plug-in that is skipped, and the cure."""
        return (
            f"the {self.what} {self.name!r} of {self.package} is left aside: {self.why}; update "
            "that package, or uninstall it"
        )


def load_plugins(group: str = EDITORS) -> list[Plugin]:
    """Return the plug-ins of a group that are installed, in the order of their names; importing
    one may fail in any way, and stops nothing else."""
    points = sorted(entry_points(group=group), key=lambda point: point.name)
    if points:
        _lead_installed_names_here()
    return [replace(_loaded(point), what=group.rpartition(".")[2][:-1]) for point in points]


def plugin_versions() -> dict[str, str]:
    """Return the versions of the distributions that bring editors or kinds of movers, by name;
    none is imported."""
    points = [*entry_points(group=EDITORS), *entry_points(group=MOVERS)]
    return dict(sorted(package_of(point) for point in points))


def package_of(point: EntryPoint) -> tuple[str, str]:
    """Return name and version of the distribution that an entry point came with."""
    return (point.dist.name, point.dist.version) if point.dist is not None else (point.value, "?")


def _loaded(point: EntryPoint) -> Plugin:
    package = " ".join(package_of(point))
    try:
        found = point.load()
    except (Exception, SystemExit) as e:
        return Plugin(point.name, package, None, f"{type(e).__name__}: {e}")
    if not isinstance(found, ModuleType):
        return Plugin(point.name, package, None, f"{point.value} is no module")
    return Plugin(point.name, package, found)


def _lead_installed_names_here() -> None:
    own = __package__.removesuffix(".editors")
    if own.startswith(f"{_INSTALLED}.") or any(isinstance(f, _Names) for f in sys.meta_path):
        return
    sys.meta_path.insert(0, _Names())


class _Names(MetaPathFinder, Loader):
    """Finds `visagist.pipeline.x` as `pipeline.x`, and `visagist.models.x` as `models.x`."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how a module of the program is found under its installed name; None for all
        others, and for what the program has not."""
        del path, target
        if fullname == _INSTALLED:
            return ModuleSpec(fullname, self, is_package=True)
        own = _own_name(fullname)
        if not own or importlib.util.find_spec(own) is None:
            return None
        return ModuleSpec(fullname, self)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Return the module that runs; None for the package above, which has nothing in it."""
        if spec.name == _INSTALLED:
            return None
        module = importlib.import_module(_own_name(spec.name))
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Give the module its own spec back: the import has put that of the other name there."""
        spec = module.__spec__
        if spec is not None and spec.loader_state is not None:
            module.__spec__ = spec.loader_state


def _own_name(fullname: str) -> str:
    """Return the name under which a module runs in a checkout; '' if it is none of the
    program's."""
    top, _, own = fullname.partition(".")
    return own if top == _INSTALLED and own.partition(".")[0] in _OWN else ""
