"""From what a user typed to edits: names, aliases, strengths, options, what each takes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal, get_args, get_origin, get_type_hints

from .config import OWN_PACKS, RenderOptions
from .curve_text import is_curve, read_curve
from .editors import FACE, Attribute, EditorModule, Pack, found
from .editors.latent import LatentOptions
from .errors import UsageError, did_you_mean
from .keyframes import Curve, Strength
from .request import Edit, EditRequest, Scalar
from .sums import SUMS, Sum
from .timecode import Timecode


class Catalogue:
    """What can be changed, and by which editor."""

    def __init__(self, pack: Pack) -> None:
        self.pack = pack
        self.modules: Mapping[str, EditorModule]
        self.modules, plugins = found()
        self.skipped = tuple(plugin.complaint for plugin in plugins if plugin.why)
        """Sentences on editors of other packages that cannot be used."""

    @cached_property
    def attributes(self) -> tuple[Attribute, ...]:
        """What can be changed: by the face model first, then by the other editors."""
        sums = {name: known.attribute for name, known in self._sums.items()}
        return tuple(sums.get(attribute.name, attribute) for _, attribute in self._offers)

    def __getitem__(self, name: str) -> Attribute:
        return next(attribute for attribute in self.attributes if attribute.name == name)

    def part(self, name: str) -> Attribute:
        """Return an attribute as its editor offers it: never a sum."""
        return next(attribute for _, attribute in self._offers if attribute.name == name)

    def editor_of(self, name: str) -> str:
        """Return the name of the editor that changes an attribute, which is no sum."""
        return next(editor for editor, attribute in self._offers if attribute.name == name)

    def editors_of(self, name: str) -> tuple[str, ...]:
        """Return the names of the editors that change an attribute, of a sum those of its parts."""
        names = (
            [part.attribute for part in self._sums[name].parts] if name in self._sums else [name]
        )
        return tuple(dict.fromkeys(self.editor_of(part) for part in names))

    def parts_of(self, edit: Edit) -> tuple[Edit, ...]:
        """Return the edits that are drawn for one that was asked for: itself, or a sum's parts.

        Options of a sum say whose they are, `editor.name`.
        """
        if edit.attribute not in self._sums:
            return (edit,)
        parts = self._sums[edit.attribute].parts
        drawn = [self._part(edit, part.attribute, part.strength(edit.strength)) for part in parts]
        return tuple(part for part in drawn if part.strength) or (drawn[-1],)

    def drawn(self, edits: Sequence[Edit]) -> tuple[Edit, ...]:
        """Return the parts of all edits in a row."""
        return tuple(part for edit in edits for part in self.parts_of(edit))

    def _part(self, edit: Edit, attribute: str, strength: Strength) -> Edit:
        editor = f"{self.editor_of(attribute)}."
        own = [(n.removeprefix(editor), v) for n, v in edit.options if n.startswith(editor)]
        takes = "exemplar" in self.modules[editor[:-1]].spec.takes
        return Edit(attribute, strength, edit.exemplar if takes else None, tuple(own))

    @cached_property
    def _sums(self) -> Mapping[str, Sum]:
        """Sums of the pack, all of whose parts are offered."""
        offered = {attribute.name for _, attribute in self._offers}
        return {
            known.attribute.name: known
            for known in SUMS.get(self.pack.name, ())
            if {part.attribute for part in known.parts} <= offered
        }

    @cached_property
    def _offers(self) -> list[tuple[str, Attribute]]:
        specs = [module.spec for module in self.modules.values()]
        by_codes = [
            (s.name, a) for s in specs if s.attributes is None for a in self.pack.attributes
        ]
        return by_codes + [(s.name, a) for s in specs for a in s.attributes or ()]


ALWAYS_ACCEPTED = 3.0
"""Up to this strength, in standard deviations of the rated attribute, any attribute may be moved;
beyond, a face leaves what models have seen, unless the attribute says otherwise."""


def accepted_range(attribute: Attribute) -> tuple[float, float]:
    """Return the lowest and highest strength that an edit may have; its useful range lies within.

    An imported direction may need more than the others: it counts in steps of its own length.
    """
    return min(attribute.low, -ALWAYS_ACCEPTED), max(attribute.high, ALWAYS_ACCEPTED)


def moved_by(edit: Edit, factor: float, catalogue: Catalogue) -> Edit:
    """Return an edit with its strength multiplied.

    Raises:
        UsageError: the strength is out of the attribute's range.
    """
    own = edit.strength
    strength = own.scaled(factor) if isinstance(own, Curve) else own * factor
    _check_strength(catalogue[edit.attribute], strength)
    return dataclasses.replace(edit, strength=strength)


def numbered(
    edits: Sequence[Edit], first_frame: int, *, timecode: str, rate: Fraction
) -> tuple[Edit, ...]:
    """Return edits whose curves count frames from 0.

    Args:
        edits: as they were asked for.
        first_frame: the number that the clip's first frame has in keys.
        timecode: of the clip's first frame; empty if it has none.
        rate: of the clip [frames/s].

    Raises:
        UsageError: a key is at a timecode, and the clip has none.
    """
    start = Timecode.read(timecode)
    return tuple(
        dataclasses.replace(edit, strength=edit.strength.numbered(first_frame, start, rate))
        if isinstance(edit.strength, Curve)
        else edit
        for edit in edits
    )


def _check_strength(attribute: Attribute, strength: Strength) -> None:
    low, high = accepted_range(attribute)
    if isinstance(strength, Curve):
        lowest, highest = strength.bounds()
        keys = [key for key in strength.keys if not low <= key.value <= high]
        where = f" at the key {keys[0]}" if keys else f" between the keys of {str(strength)!r}"
        if keys:
            lowest = highest = keys[0].value
    else:
        lowest, highest, where = strength, strength, ""
    if not (low <= lowest and highest <= high):
        beyond = lowest if not low <= lowest else highest
        raise UsageError(
            f"strength {beyond:g} of {attribute.name!r}{where} is out of range; accepted: {low:g} "
            f"to {high:g} ({attribute.low:g} to {attribute.high:g} looks like a photograph)"
        )


def resolve_edits(request: EditRequest, catalogue: Catalogue) -> tuple[Edit, ...]:
    """Return the edits that a request asks for, in order.

    Raises:
        UsageError: an unknown attribute or option (the nearest is suggested), a strength or value
            that cannot be used, an exemplar that is missing or that no edit takes.
    """
    moved = [_resolved(text, request.strength, catalogue) for text in request.attributes]
    for name, strength in moved:
        _check_strength(catalogue[name], strength)
    options = _options_of(request, catalogue)
    editors = {name: catalogue.editors_of(name) for name, _ in moved}
    specs = {name: [catalogue.modules[e].spec for e in editors[name]] for name in editors}
    takers = [n for n, _ in moved if any("exemplar" in spec.takes for spec in specs[n])]
    if request.exemplar is not None and not takers:
        raise UsageError(f"--exemplar {request.exemplar.path}: no edit asked for takes one")
    if request.exemplar is None and takers:
        raise UsageError(f"{takers[0]!r} takes something from another face; give --exemplar FILE")
    return tuple(
        Edit(
            name,
            strength,
            request.exemplar if name in takers else None,
            _options_for(editors[name], options),
        )
        for name, strength in moved
    )


def _resolved(text: str, default: float, catalogue: Catalogue) -> tuple[str, Strength]:
    """Return the attribute's name and strength of `name`, `name=strength` or `name=curve`."""
    offered = catalogue.attributes
    by_name = {alias.lower(): a.name for a in offered for alias in a.aliases}
    by_name |= {a.name.lower(): a.name for a in offered}  # a name means its own attribute first
    name, _, value = text.partition("=")
    name = name.strip().lower().replace("_", "-")
    if name not in by_name:
        accepted = ", ".join(attribute.name for attribute in offered)
        aside = "".join(f" ({sentence})" for sentence in _missing(catalogue))
        raise UsageError(
            f"unknown attribute {name!r}; {did_you_mean(name, by_name)}accepted: {accepted}{aside}"
        )
    if "=" not in text:
        return by_name[name], default
    if is_curve(value):
        try:
            return by_name[name], read_curve(value)
        except UsageError as e:
            raise UsageError(f"the curve of {name!r}: {e}") from e
    try:
        return by_name[name], float(value)
    except ValueError as e:
        raise UsageError(
            f"the strength in {text!r} is not a number; try {name}=1, or keys as in "
            f"'{name}=0:0 24:0.8'"
        ) from e


def _missing(catalogue: Catalogue) -> list[str]:
    """Return sentences on what might have been offered and cannot be used."""
    return [*left_aside(catalogue.pack), *catalogue.skipped]


Options = tuple[tuple[str, Scalar], ...]


def _options_of(request: EditRequest, catalogue: Catalogue) -> dict[str, Options]:
    """Return the options that the request sets, by editor; each is checked."""
    chosen: dict[str, dict[str, Scalar]] = {}
    mover = request.render.editor
    usual = [] if mover == RenderOptions().editor else [f"latent.mover={mover}"]
    for text in (*usual, *request.settings):
        place, mark, value = text.partition("=")
        editor, _, name = place.strip().partition(".")
        if not mark or editor not in catalogue.modules or not name:
            names = ", ".join(catalogue.modules)
            raise UsageError(f"--set {text!r} is not EDITOR.NAME=VALUE; editors: {names}")
        kind = catalogue.modules[editor].spec.options
        shown = "editor" if text in usual else name
        chosen.setdefault(editor, {})[name] = _value(text, name, value, kind, shown=shown)
    for editor, values in chosen.items():
        catalogue.modules[editor].spec.options(**values)  # may refuse a value
    return {editor: tuple(sorted(values.items())) for editor, values in chosen.items()}


def _options_for(editors: Sequence[str], options: Mapping[str, Options]) -> Options:
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
        choices = [str(choice) for choice in get_args(hint)]
        if value not in choices:
            raise UsageError(
                f"{shown} {value!r} is unknown; {did_you_mean(value, choices)}accepted: "
                f"{', '.join(choices)}"
            )
        return value
    try:
        read: Scalar = _READ[hint](value)
        return read
    except (KeyError, ValueError) as e:
        raise UsageError(f"{text!r}: {value!r} is not {_KINDS.get(hint, hint)}") from e


_READ: Mapping[type, Any] = {
    str: str,
    int: int,
    float: float,
    bool: lambda text: {"true": True, "false": False}[text.lower()],
}
_KINDS = {int: "a whole number", float: "a number", bool: "true or false"}


def check_offered(edits: Sequence[Edit], pack: Pack) -> None:
    """Refuse, before any frame is read, edits of codes for which the pack has no mover.

    Of sums, the edits are their parts.

    Raises:
        UsageError: what the pack has instead.
        WeightsError: the file of a mover cannot be used.
    """
    by_codes = {attribute.name for attribute in pack.attributes}
    for edit in edits:
        if edit.attribute in by_codes:
            pack.mover(LatentOptions.of(edit).mover, edit.attribute)


def cautions(edits: Sequence[Edit], pack: Pack) -> list[str]:
    """Return sentences on edits that cannot reach all they are about."""
    wanted = {a.name: a.regions for a in pack.attributes}
    cure = f"; `models import 79999_iter.pth --as {pack.name}` (BiSeNet) adds it"
    return left_aside(pack) + [
        f"{name} also changes {' and '.join(sorted(missing))}, but the pack {pack.name} holds no "
        "face parsing that tells where they are: only the face and what is next to it is edited"
        + ("" if pack.name in OWN_PACKS else cure)
        for name in dict.fromkeys(edit.attribute for edit in edits if edit.strength)
        if (missing := wanted.get(name, FACE) - pack.regions)
    ]


def left_aside(pack: Pack) -> list[str]:
    """Return a sentence on what was added to a pack and cannot be used, if there is any."""
    said = pack.settings.get("left aside", "")
    return [f"left aside: {said}"] if said else []
