"""Label maps for training: what each pixel of the rated faces shows, and how far that is trusted.

The inner parts come from the mesh. Hair, skin, clothes and background come from colour models that
were made of every picture alone (`*_parts256.npz`), with their known faults mended: what they take
for hair within a face, fringes and necks in the shade that they lose, jackets that they take for
hair. Which pictures show glasses, hats, beards or bald heads was seen by eye (`pictures.json`), and
what no rule gets right was drawn (`corrections.json`). A pixel that the rules cannot tell has
weight 0: the network averages the rest.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ..files import opened_whole
from . import regions, tones
from .agreeing import agree, opinion
from .draft import Draft, label_of
from .faces import GROUPS, SIDE, Face, read_faces
from .model import ParsingModel
from .net import LABELS
from .regions import Mask, closed, grown
from .rims import glasses

_OF_PARTS: Final = ("background", "hair", "skin", "clothes")
_FAR_FROM_FACE: Final = 1.6
"""An ear begins no farther than this from the nose [outer eye distances]."""


def label_face(face: Face, *, teacher: ParsingModel | None = None) -> Draft:
    """Return what every pixel of a face's picture shows, by the rules, the opinion of a network if
    there is one, and what was drawn by hand."""
    draft = Draft.of_parts(np.array([label_of(n) for n in _OF_PARTS], np.uint8)[face.parts])
    _doubt_edges(draft, face)
    _clear_inside(draft, face)
    _split_skin(draft, face)
    tones.mend_neck(draft, face)
    tones.beard(draft, face)
    if face.marks & {"short", "beards"}:
        _clear_shoulders(draft, face)
    tones.mend_hairline(draft, face)
    _draw_inner_parts(draft, face)
    if "glasses" in face.marks and "traced" not in face.marks:
        glasses(draft, face)
    if teacher and "held_out" not in face.marks:
        shares, covered = opinion(teacher, face)
        if "beards" in face.marks:  # the network saw fewer beards than eyes did
            covered &= ~face.layout.beard_zone(0.2)
        agree(draft, shares, covered)
    exact = "held_out" in face.marks
    if exact:
        draft.weights[:] = 1  # looked at whole, corrected by hand
    draft.correct(face.strokes, exact=exact)
    return draft


def write_labels(
    data: Path, out: Path, *, teacher: ParsingModel | None = None
) -> dict[str, object]:
    """Write the labels of all pictures of a folder like data/omi that are any good, mended by the
    opinion of a network that was trained on an earlier version of them, if there is one.

    The .npz holds `names` (N,) such as `images/12.jpg`, `labels` (N, 256, 256) uint8 in the order
    of `LABELS`, `weights` (N, 256, 256) uint8 (0: leave it out, 255: sure), `held_out` (N,) bool,
    `faces` (N,) whose they are, and `odds` (N,) float32, how much oftener than others to show it.

    Returns:
        Facts for the reader.

    Raises:
        ModelError: the data are incomplete.
        OSError: the file cannot be written.
    """
    rows = [row for group in GROUPS for row in _rows(data, group, teacher)]
    table = {key: np.array([row[key] for row in rows]) for key in rows[0]}
    with opened_whole(out) as file:
        np.savez(file, **table)  # type: ignore[arg-type]  # the stubs take every name for an option
    shares = np.bincount(table["labels"].ravel(), minlength=len(LABELS)) / table["labels"].size
    return {
        "pictures": len(rows),
        "held_out": int(table["held_out"].sum()),
        "trusted": round(float((table["weights"] > 0).mean()), 4),
        "labels": {n: round(float(s), 4) for n, s in zip(LABELS, shares, strict=True)},
    }


_ODDS: Final = {"hats": 4.0, "sunglasses": 3.0, "beards": 2.0}
"""What is rare and was learned badly."""


def _rows(data: Path, group: str, teacher: ParsingModel | None) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for name, face in read_faces(data, group):
        if "dropped" in face.marks:
            continue
        draft = label_face(face, teacher=teacher)
        rows.append(
            {
                "names": f"{group}/{name}",
                "labels": draft.labels,
                "weights": np.round(draft.weights * 255).astype(np.uint8),
                "held_out": "held_out" in face.marks,
                "faces": name.rsplit(".", 1)[0].split("_")[0],
                "odds": np.float32(np.prod([_ODDS.get(mark, 1.0) for mark in face.marks])),
            }
        )
    return rows


def _doubt_edges(draft: Draft, face: Face) -> None:
    """Where matte and parts differ nothing is sure; single strands are half sure."""
    behind = draft.shows("background")
    draft.doubt(behind & (face.person > 0.9))
    draft.doubt(~behind & (face.person < 0.1))
    draft.weights[(face.soft_hair > 0.3) & (face.soft_hair < 0.7)] *= 0.4


def _clear_inside(draft: Draft, face: Face) -> None:
    """Below the brows a face is skin: what the parts take for hair there is an eye, a rim or shade.
    Only where it hangs together with hair outside it may be hair, and is left out."""
    at = face.layout
    hair = draft.shows("hair")
    wrong = at.core & at.below_brows & hair
    outside = hair & ~at.core
    blobs = _blobs(wrong | outside)
    joined = np.isin(blobs, np.unique(blobs[outside]))
    draft.put("skin", wrong)
    draft.doubt(wrong & joined & ~grown(at.eyes | at.brows, 6))
    # the far cheek of a turned head lies in the shade
    cheek = at.far & at.oval & at.below_brows & draft.shows("hair")
    draft.put("skin", cheek, weight=0)
    within = at.oval & (at.ys > at.points[10, 1] + 0.1 * at.span)
    draft.put("skin", within & draft.shows("clothes", "background"))


def _split_skin(draft: Draft, face: Face) -> None:
    """Ears and neck are skin outside the face."""
    at = face.layout
    skin = draft.shows("skin")
    outside = skin & ~at.oval
    ears = _ears(draft, outside, face)
    draft.put("ears", ears)
    neck = outside & ~ears & at.below_jaw & ~(at.far & (at.ys < at.chin))
    # what is thin beside the jaw is a face a little wider than its mesh
    thin = neck & ~grown(grown(neck, -2), 3)
    neck &= ~(thin & (at.ys < at.chin) & grown(at.oval, 5))
    draft.put("neck", neck)
    blobs = _blobs(skin)
    inside = blobs[at.oval & skin]
    own = np.bincount(inside).argmax() if len(inside) else 0
    draft.doubt(outside & (blobs != own) & ~ears & ~neck)


def _ears(draft: Draft, skin: Mask, face: Face) -> Mask:
    at = face.layout
    places = skin & at.ear_places
    places &= grown(grown(places, -2), 3)
    ears = np.zeros_like(places)
    from_nose = np.abs(at.xs - at.points[1, 0])
    for blob in _each_blob(places):
        if blob.sum() >= 25 and from_nose[blob].min() <= _FAR_FROM_FACE * at.span:
            ears |= blob
        else:
            draft.doubt(blob)
    hull = closed(ears, 6)
    hollows = [b for b in _each_blob(draft.shows("hair")) if b.sum() < 150 and hull[b].mean() > 0.6]
    return np.asarray(np.any([ears, *hollows], axis=0))


def _clear_shoulders(draft: Draft, face: Face) -> None:
    """No hair hangs down to the shoulders: it is a dark jacket."""
    at = face.layout
    low = draft.shows("hair") & (at.ys > at.lobe + 0.08 * at.span)
    low &= ~grown(at.oval, round(0.06 * at.span)) & ~at.beard_zone(0.2)
    draft.put("clothes", low, weight=None)
    draft.weights[low] *= 0.7
    draft.doubt(low & at.under_chin)


def _draw_inner_parts(draft: Draft, face: Face) -> None:
    at = face.layout
    draft.put("nose", regions.polygon(at.points, regions.NOSE, SIDE), weight=None)
    for brow in regions.BROWS:
        area = regions.polygon(at.points, brow, SIDE)
        above = grown(area, 5) & ~grown(area, 2) & (at.ys < at.points[list(brow), 1].mean())
        if draft.shows("hair")[above].mean() > 0.6:  # under a fringe
            draft.put("hair", area, weight=None)
            draft.doubt(grown(area, 2))
        else:
            draft.put("skin", grown(area, 3) & draft.shows("hair"), weight=None)
            draft.put("brows", area, weight=None)
    draft.put("eyes", at.eyes, weight=None)
    draft.put("lips", regions.polygon(at.points, regions.LIPS, SIDE), weight=None)
    draft.put("mouth", regions.polygon(at.points, regions.MOUTH, SIDE), weight=None)


def _blobs(mask: Mask) -> NDArray[np.int32]:
    """Number of the connected piece that a pixel belongs to, 0 outside."""
    return np.asarray(cv2.connectedComponents(mask.astype(np.uint8))[1], np.int32)


def _each_blob(mask: Mask) -> list[Mask]:
    blobs = _blobs(mask)
    return [np.asarray(blobs == k) for k in range(1, int(blobs.max()) + 1)]
