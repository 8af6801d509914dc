"""Options of editors as they are typed, `--set EDITOR.NAME=VALUE`: read by their types."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args, get_origin, get_type_hints

from .config import RenderOptions
from .editors import EditorModule
from .editors.latent import SPEC as _LATENT
from .errors import UsageError, did_you_mean
from .request import EditRequest, Scalar

LATENT = _LATENT.name
"""The editor of latent codes."""

Options = tuple[tuple[str, Scalar], ...]


def options_of(
    request: EditRequest, modules: Mapping[str, EditorModule], kinds: Sequence[str]
) -> dict[str, Options]:
    """Return the options that the request sets, by editor; each is checked.

    Args:
        request: what is asked for.
        modules: the editors by name.
        kinds: names of the kinds of movers.

    Raises:
        UsageError: an unknown editor or option, or a value that it cannot have.
    """
    chosen: dict[str, dict[str, Scalar]] = {}
    mover = request.render.editor
    usual = [] if mover == RenderOptions().editor else [f"latent.mover={mover}"]
    for text in (*usual, *request.settings):
        place, mark, value = text.partition("=")
        editor, _, name = place.strip().partition(".")
        if not mark or editor not in modules or not name:
            names = ", ".join(modules)
            raise UsageError(f"--set {text!r} is not EDITOR.NAME=VALUE; editors: {names}")
        kind = modules[editor].spec.options
        shown = "editor" if text in usual else name
        chosen.setdefault(editor, {})[name] = _value(text, name, value, kind, shown=shown)
        if (editor, name) == (LATENT, "mover"):
            _check_among(value, kinds, shown)
    for editor, values in chosen.items():
        modules[editor].spec.options(**values)  # may refuse a value
    return {editor: tuple(sorted(values.items())) for editor, values in chosen.items()}


def options_for(editors: Sequence[str], options: Mapping[str, Options]) -> Options:
    """Return the options of an edit: of its editor, or of several, each with its editor's name."""
    if len(editors) == 1:
        return options.get(editors[0], ())
    return tuple((f"{e}.{name}", value) for e in editors for name, value in options.get(e, ()))


def _value(text: str, name: str, value: str, kind: type, *, shown: str) -> Scalar:
    """Return the value of an option of some editor's options; `shown`: its name in messages."""
    hints: Mapping[str, Any] = get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]
    if name not in names:
        accepted = ", ".join(names) or "none"
        raise UsageError(
            f"{text!r}: unknown option; {did_you_mean(name, names)}accepted: {accepted}"
        )
    hint = hints[name]
    if get_origin(hint) is Literal:
        _check_among(value, [str(choice) for choice in get_args(hint)], shown)
        return value
    try:
        read: Scalar = _READ[hint](value)
        return read
    except (KeyError, ValueError) as e:
        raise UsageError(f"{text!r}: {value!r} is not {_KINDS.get(hint, hint)}") from e


def _check_among(value: str, choices: Sequence[str], shown: str) -> None:
    if value not in choices:
        raise UsageError(
            f"{shown} {value!r} is unknown; {did_you_mean(value, choices)}accepted: "
            f"{', '.join(choices)}"
        )


_READ: Mapping[type, Any] = {
    str: str,
    int: int,
    float: float,
    bool: lambda text: {"true": True, "false": False}[text.lower()],
}
_KINDS = {int: "a whole number", float: "a number", bool: "true or false"}
