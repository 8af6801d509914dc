"""From what a user typed to a chain of edits: names, aliases, strengths, order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

import torch

from .config import OWN_PACKS, AttributeEdit
from .editors import Attribute, EditorModule, Pack, discover, image_editor_of
from .editors._base import FACE
from .errors import UsageError, did_you_mean
from .stages.edit import EditChain, ImageStep, LatentStep, ShotCodes, Step
from .types import Needs


def all_attributes(pack: Pack) -> list[Attribute]:
    """Return what can be changed: by the pack's codes first, then by the image editors."""
    image = [a for editor in discover().values() for a in editor.spec.attributes]
    return [*pack.attributes, *image]


def resolve_edits(
    texts: Sequence[str], default_strength: float, pack: Pack
) -> tuple[AttributeEdit, ...]:
    """Return the edits that `name` or `name=strength` texts ask for, in order.

    Raises:
        UsageError: an unknown attribute (the nearest is suggested) or a bad strength.
    """
    by_name: dict[str, str] = {}
    for attribute in all_attributes(pack):
        for name in (attribute.name, *attribute.aliases):
            by_name[name.lower()] = attribute.name
    return tuple(_resolve(text, default_strength, by_name) for text in texts)


def _resolve(text: str, default_strength: float, by_name: Mapping[str, str]) -> AttributeEdit:
    name, _, value = text.partition("=")
    name = name.strip().lower().replace("_", "-")
    if name not in by_name:
        hint, accepted = did_you_mean(name, by_name), ", ".join(dict.fromkeys(by_name.values()))
        raise UsageError(f"unknown attribute {name!r}; {hint}accepted: {accepted}")
    try:
        strength = float(value) if "=" in text else default_strength
    except ValueError as e:
        raise UsageError(f"the strength in {text!r} is not a number; try {name}=1") from e
    return AttributeEdit(by_name[name], strength)


def latent_editor(name: str) -> EditorModule:
    """Return the latent editor of that name.

    Raises:
        UsageError: there is none; the nearest is suggested.
    """
    known = {n: e for n, e in discover().items() if e.spec.kind == "latent"}
    if name not in known:
        hint = did_you_mean(name, known)
        raise UsageError(f"editor {name!r} is unknown; {hint}accepted: {', '.join(known)}")
    return known[name]


def check_offered(edits: Sequence[AttributeEdit], pack: Pack, editor: str) -> None:
    """Refuse, before any frame is read, edits for which the pack has nothing under that editor.

    Raises:
        UsageError: what the pack has instead.
        WeightsError: the file of a mover cannot be used.
    """
    by_codes = {attribute.name for attribute in pack.attributes}
    for edit in edits:
        if edit.attribute in by_codes:
            pack.mover(editor, edit.attribute)


def cautions(edits: Sequence[AttributeEdit], pack: Pack) -> list[str]:
    """Return sentences on edits that cannot reach all they are about."""
    wanted = {a.name: a.regions for a in pack.attributes}
    cure = f"; `models import 79999_iter.pth --as {pack.name}` (BiSeNet) adds it"
    return [
        f"{name} also changes {' and '.join(sorted(missing))}, but the pack {pack.name} holds no "
        "face parsing that tells where they are: only the face and what is next to it is edited"
        + ("" if pack.name in OWN_PACKS else cure)
        for name in dict.fromkeys(edit.attribute for edit in edits if edit.strength)
        if (missing := wanted.get(name, FACE) - pack.regions)
    ]


def needs_of(edits: Sequence[AttributeEdit], pack: Pack) -> dict[str, Needs]:
    """Return the parts of a face that each attribute needs; those of strength 0 are left out."""
    known = {attribute.name: attribute.needs for attribute in all_attributes(pack)}
    return {edit.attribute: known[edit.attribute] for edit in edits if edit.strength != 0}


def chain_of(
    edits: Sequence[AttributeEdit],
    pack: Pack,
    editor: str,
    codes: Mapping[int, ShotCodes],
    *,
    device: torch.device,
    occlusion: bool = False,
) -> EditChain:
    """Return the chain that applies the edits in order, on the device of the pack; edits of
    strength 0 are left out.

    Latent edits in a row become one step, so that they are rendered once.
    """
    regions = {attribute.name: attribute.regions for attribute in pack.attributes}
    needs = needs_of(edits, pack)
    steps: list[Step] = []
    active = (edit for edit in edits if edit.strength != 0)
    for is_latent, group in groupby(active, key=lambda edit: edit.attribute in regions):
        if is_latent:
            moves = tuple((edit.attribute, edit.strength) for edit in group)
            together = FACE.union(*(regions[name] for name, _ in moves))
            mover = latent_editor(editor).build_latent(pack)
            steps.append(LatentStep(mover, moves, together, needs))
            continue
        for edit in group:
            module = image_editor_of(edit.attribute)
            assert module is not None, "resolve_edits let an unknown attribute through"
            built, name = module.build_image(), edit.attribute
            steps.append(ImageStep(built, name, edit.strength, needs[name]))
    return EditChain(steps, pack.model, codes, occlusion=occlusion, device=device)
