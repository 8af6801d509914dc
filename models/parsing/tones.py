"""What can be told by colour: necks in the shade, fringes, bald heads, beards."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from .draft import Draft
from .faces import SIDE, Face
from .regions import CHEEKS, Floats, closed, grown, opened, polygons

_LEAST_APART: Final = 22.0
"""Skin and hair closer than this cannot be told by colour [CIE Lab]."""


def lab_of(face: Face, blur: float) -> Floats:
    """Return the picture (SIDE, SIDE, 3) in CIE Lab, smoothed by a Gaussian of a sigma [px]."""
    lab = cv2.cvtColor(face.small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    return np.asarray(cv2.GaussianBlur(lab, (0, 0), blur), np.float32)


def cheek_colour(face: Face) -> Floats:
    """Return the median of both cheeks (3,) in CIE Lab."""
    lab = cv2.cvtColor(face.small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    cheeks = polygons(face.layout.points, CHEEKS, SIDE)
    return np.asarray(np.median(lab[cheeks], axis=0), np.float32)


def mend_neck(draft: Draft, face: Face) -> None:
    """Tell necks in the shade by the cheeks' hue: the parts tear them between hair and clothes."""
    at = face.layout
    lab, cheek = lab_of(face, 1.0), cheek_colour(face)
    light = np.clip(lab[..., 0] / max(cheek[0], 1), 0.05, 1.2)
    # in the shade, colour goes more slowly than light
    expected = cheek[1:] * np.clip(light, 0.3, 1.1)[..., None] ** 0.7
    off = np.linalg.norm(lab[..., 1:] - expected, axis=-1)
    asked = at.under_chin & draft.shows("hair", "clothes", "background")
    draft.doubt(asked)
    draft.weights[asked & (off > 14)] = 0.4
    left, right = at.points[149, 0], at.points[378, 0]
    middle = (at.xs > left) & (at.xs < right) & (at.ys < at.chin + 0.35 * at.span)
    shaded = opened(asked & middle & (off < 9) & (light > 0.25), 2)
    draft.put("neck", shaded, weight=0.5)


def mend_hairline(draft: Draft, face: Face) -> None:
    """Give fringes back to the hair and bald heads to the skin."""
    if "shaven" in face.marks:
        _clear_top(draft, face)
        return
    share = _toward_hair(draft, face)
    if share is None:
        return
    at = face.layout
    if "bald" in face.marks:
        top = draft.shows("hair") & (at.ys < at.brow_top)
        draft.put("skin", top & (share < 0.4), weight=0.6)
        draft.doubt(top & (share >= 0.4) & (share < 0.65))
        return
    if face.marks & {"hats", "sunglasses", "glasses"}:
        return  # their shade is as dark as hair
    forehead = draft.shows("skin") & at.oval & ~grown(at.brows, 2)
    forehead &= at.ys < at.brow_middle + 0.02 * at.span
    dark, hair = forehead & (share > 0.6), draft.shows("hair")
    blobs = cv2.connectedComponents((dark | hair).astype(np.uint8))[1]
    joined = dark & np.isin(blobs, np.unique(blobs[hair & (at.ys < at.brow_middle)]))
    draft.put("hair", joined, weight=0.7)
    draft.doubt(forehead & ~joined & (share > 0.4))
    side = draft.shows("skin") & at.oval & (at.ys >= at.brow_middle) & (share > 0.6)
    draft.doubt(side & ~grown(at.brows, 3) & ~grown(at.eyes, 6) & ~at.beard_zone(0.0))


def _clear_top(draft: Draft, face: Face) -> None:
    at = face.layout
    middle = 0.5 * (at.points[127, 0] + at.points[356, 0])
    top = draft.shows("hair") & (at.ys < at.brow_top)
    near = top & (np.abs(at.xs - middle) < 0.5 * at.span)
    draft.put("skin", near, weight=None)
    draft.doubt(top & ~near)


def _toward_hair(draft: Draft, face: Face) -> NDArray[np.float32] | None:
    """How far from the skin's colour (0) to the hair's (1) each pixel lies; None where the two are
    too much alike, or too little hair is seen."""
    at = face.layout
    lab, skin = lab_of(face, 0.6), cheek_colour(face)
    level = at.points[[107, 336], 1].mean()
    tones = lab[draft.shows("hair") & (at.ys < level) & (face.soft_hair > 0.9)]
    if len(tones) < 200:
        return None
    if "bald" in face.marks:  # what is called hair is skin for the greater part
        tones = tones[tones[:, 0] <= np.quantile(tones[:, 0], 0.3)]
    way = np.median(tones, axis=0) - skin
    if np.linalg.norm(way) < _LEAST_APART:
        return None
    return np.asarray((lab - skin) @ way / (way @ way), np.float32)


def beard(draft: Draft, face: Face) -> None:
    """Tell dense beards, which are hair, by their darkness; where one was not seen by eye and it is
    dark all the same, nothing is sure."""
    at = face.layout
    light = lab_of(face, 1.2)[..., 0] / max(cheek_colour(face)[0], 1)
    if "beards" not in face.marks:
        zone = at.beard_zone(0.0) & at.oval
        dark = zone & (light < 0.6)
        if dark.sum() > 0.2 * zone.sum():
            draft.doubt(grown(dark, 2))
        draft.doubt(zone & draft.shows("hair"))
        return
    zone = at.beard_zone(0.12)
    limit = float(np.clip(_otsu(light[zone]), 0.5, 0.78))
    able = zone & draft.shows("skin", "hair", "neck")
    dense = closed(opened(able & (light < limit), 1), 7) & able
    draft.put("skin", zone & at.oval & draft.shows("hair"), weight=None)
    draft.put("hair", dense, weight=None)
    draft.doubt(zone & (np.abs(light - limit) < 0.08))
    draft.doubt(zone & ~at.oval & ~dense)


def _otsu(values: Floats) -> float:
    """The threshold that parts values best (Otsu, 1979)."""
    levels = (np.clip(values, 0, 1.2) * 200).astype(np.uint8)[None]
    return float(cv2.threshold(levels, 0, 255, cv2.THRESH_OTSU)[0]) / 200
