"""Kinds of movers: the program's own, and those of other packages."""

from __future__ import annotations

from dataclasses import replace

from ..editors._plugins import MOVERS, Plugin, load_plugins
from .seam import models


def mover_kinds() -> dict[str, str]:
    """Return the name of every kind of mover that can be used, with what it is in one line."""
    found_movers()
    return {name: kind.spec.summary for name, kind in models.movers.kinds().items()}


def found_movers() -> list[Plugin]:
    """Return the plug-ins that bring kinds of movers, with what is wrong with each, if anything;
    those that can be used are known from now on."""
    return [_added(plugin) for plugin in load_plugins(MOVERS)]


def _added(plugin: Plugin) -> Plugin:
    if plugin.module is None:
        return plugin
    try:
        models.movers.add(plugin.module)
    except models.base.ModelError as e:
        return replace(plugin, why=str(e))
    return plugin
