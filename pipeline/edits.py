"""From what a user typed to edits: names, aliases, strengths, options, what each takes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import cached_property

from .attribute_text import Typed, read_attribute
from .config import OWN_PACKS
from .curve_text import is_curve, read_curve
from .edit_options import LATENT, Options, options_for, options_of
from .editors import FACE, Attribute, EditorModule, Pack, found
from .editors.latent import LatentOptions
from .errors import UsageError, did_you_mean
from .keyframes import Curve, Strength
from .loading import found_movers, mover_kinds
from .request import Edit, EditRequest, Scalar
from .sums import SUMS, Sum
from .timecode import Timecode


class Catalogue:
    """What can be changed, and by which editor."""

    def __init__(self, pack: Pack) -> None:
        self.pack = pack
        self.modules: Mapping[str, EditorModule]
        self.modules, plugins = found()
        self.skipped = tuple(p.complaint for p in (*plugins, *found_movers()) if p.why)
        """Sentences on editors and kinds of movers of other packages that cannot be used."""
        self.kinds = tuple(mover_kinds())
        """Of movers of codes."""

    @cached_property
    def attributes(self) -> tuple[Attribute, ...]:
        """What can be changed: by the face model first, then by the other editors."""
        sums = {name: known.attribute for name, known in self._sums.items()}
        return tuple(sums.get(attribute.name, attribute) for _, attribute in self._offers)

    def __getitem__(self, name: str) -> Attribute:
        offered = (attribute for attribute in self.attributes if attribute.name == name)
        return next(offered, None) or self.part(name)

    def numbered(self, name: str) -> Attribute | None:
        """Return what the pack has under a number of a kind of mover, `pca-12`, which nobody
        lists."""
        kind, _, number = name.rpartition("-")
        if kind not in self.kinds or not number.isdecimal():
            return None
        return self.pack.numbered(kind, int(number))

    def part(self, name: str) -> Attribute:
        """Return an attribute as its editor offers it: never a sum.

        Raises:
            UsageError: nobody offers it.
        """
        return self._offer(name)[1]

    def editor_of(self, name: str) -> str:
        """Return the name of the editor that changes an attribute, which is no sum."""
        return self._offer(name)[0]

    def _offer(self, name: str) -> tuple[str, Attribute]:
        for editor, attribute in self._offers:
            if attribute.name == name:
                return editor, attribute
        if (numbered := self.numbered(name)) is not None:
            return LATENT, numbered
        raise UsageError(f"nothing is called {name!r}; `visagist attrs` lists what there is")

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
        """Return the parts of all edits in a row, in which order they are applied."""
        parts = [part for edit in edits for part in self.parts_of(edit)]
        return tuple(
            sorted(parts, key=lambda part: self.modules[self.editor_of(part.attribute)].spec.last)
        )

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
    asked = [read_attribute(text) for text in request.attributes]
    moved = [(_named(typed, catalogue), _strength(typed, request.strength)) for typed in asked]
    for name, strength in moved:
        _check_strength(catalogue[name], strength)
    options = options_of(request, catalogue.modules, catalogue.kinds)
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
            options_for(editors[name], _with_own(options, typed, name, catalogue)),
        )
        for typed, (name, strength) in zip(asked, moved, strict=True)
    )


def _named(typed: Typed, catalogue: Catalogue) -> str:
    """Return the name of the attribute that a name, an alias, or a number means."""
    offered = catalogue.attributes
    by_name = {alias.lower(): a.name for a in offered for alias in a.aliases}
    by_name |= {a.name.lower(): a.name for a in offered}  # a name means its own attribute first
    name, kind = typed.name, typed.kind
    if kind and kind not in catalogue.kinds:
        accepted = ", ".join(catalogue.kinds)
        raise UsageError(
            f"unknown kind of mover {kind!r}; {did_you_mean(kind, catalogue.kinds)}accepted: "
            f"{accepted}"
        )
    name = f"{kind}-{name}" if kind and name.isdecimal() else name
    if name not in by_name and catalogue.numbered(name) is not None:
        return name
    if name not in by_name:
        accepted = ", ".join(attribute.name for attribute in offered)
        aside = "".join(f" ({sentence})" for sentence in _missing(catalogue))
        raise UsageError(
            f"unknown attribute {name!r}; {did_you_mean(name, by_name)}accepted: {accepted}{aside}"
        )
    if typed.level and catalogue.editors_of(by_name[name]) != (LATENT,):
        raise UsageError(
            f"{name!r} is not changed by its code alone, so no classifier says how far it got; "
            f"give a strength, {name}=1"
        )
    if (kind or typed.rows) and LATENT not in catalogue.editors_of(by_name[name]):
        what = f"{kind}:" if kind else f"@rows={typed.rows}"
        raise UsageError(
            f"{name!r} is no edit of latent codes, so {what} means nothing to it; leave it out"
        )
    return by_name[name]


def _strength(typed: Typed, default: float) -> Strength:
    """Return the strength of an attribute: a number or a curve."""
    name, value = typed.name, typed.value
    if typed.level:
        return 1.0  # of the way to the level, whichever strength that is for a face
    if value is None:
        return default
    if is_curve(value):
        try:
            return read_curve(value)
        except UsageError as e:
            raise UsageError(f"the curve of {name!r}: {e}") from e
    try:
        return float(value)
    except ValueError as e:
        raise UsageError(
            f"the strength in {f'{name}={value}'!r} is not a number; try {name}=1, or keys as in "
            f"'{name}=0:0 24:0.8'"
        ) from e


def _with_own(
    options: Mapping[str, Options], typed: Typed, name: str, catalogue: Catalogue
) -> Mapping[str, Options]:
    """Return the options of editors with those that one attribute was typed with.

    Where nobody says with which kind of mover, it is the usual one, or the first of those that the
    pack has for the attribute.
    """
    told = {"rows": typed.rows, "level": typed.level}
    own: dict[str, Scalar] = {option: value for option, value in told.items() if value}
    latent = dict(options.get(LATENT, ()))
    if typed.kind:
        own["mover"] = typed.kind
    elif "mover" not in latent and LATENT in catalogue.editors_of(name):
        has = catalogue.pack.kinds_of(name) or (name.rpartition("-")[0],)
        if LatentOptions().mover not in has:
            own["mover"] = has[0]
    return {**options, LATENT: tuple(sorted({**latent, **own}.items()))} if own else options


def _missing(catalogue: Catalogue) -> list[str]:
    """Return sentences on what might have been offered and cannot be used."""
    return [*left_aside(catalogue.pack), *catalogue.skipped]


def check_offered(edits: Sequence[Edit], catalogue: Catalogue) -> None:
    """Refuse, before any frame is read, edits of codes for which the pack has no mover.

    Of sums, the edits are their parts.

    Raises:
        UsageError: what the pack has instead.
        WeightsError: the file of a mover or of the classifier cannot be used.
    """
    for edit in edits:
        if catalogue.editor_of(edit.attribute) == LATENT:
            options = LatentOptions.of(edit)
            options.mover_of(catalogue.pack, edit.attribute)
            if options.level:
                catalogue.pack.reader(edit.attribute)


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
