"""Skin off a photograph: which vertices it shows, what light lies on it, and what fills the gaps.

The light of a photograph is taken for soft (spherical harmonics of order 2) and is found on the
skin of the face, which is taken for one colour. What is left of it from one side to the other is
taken out too, as faces are alike on both sides and lamps are not. Shine and small shadows stay.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import spsolve

from ...head.raster import Floats
from ...head.shading import fit_light, harmonics
from .anatomy import EYEBALLS, Anatomy
from .matte import Matte
from .pose import Posed
from .sitters import BACKGROUND, CLOTHES, HAIR, PARTS_SIDE, SKIN, Sitter
from .surface import Paint, sampled

_LUMA: Final = np.array([0.2126, 0.7152, 0.0722], np.float32)
_SLANT: Final = (0.12, 0.42)
"""Cosines to the camera at which a surface is not trusted at all, and wholly."""
_LIGHT_BOUNDS: Final = (0.4, 1.9)
"""Of the light that is taken out, against its mean."""
_HAIR_LIGHT: Final = 0.5
"""Power of the light that is taken out of hair and clothes: they are not matt, nor one surface."""
_BUMP: Final = 0.17
"""Of one-sided light that no smooth light explains [head units]."""
_BUMPS_X: Final = (0.14, 0.36, 0.58)
_BUMPS_Y: Final = (-0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0, 1.25)
"""Where its bumps lie, from the middle and from the eyes down [head units]."""
_MEAN_PULL: Final = 0.002
"""How strongly a gap far from its borders takes the mean."""
_COVERED: Final = 0.4
"""Share of an ear under hair from which on hair hangs over it."""
_NECK: Final = 0.5
"""How far below the chin clothes begin [head units]."""
_LEAST_CLOTHES: Final = 200


def skin_paint(
    sitter: Sitter, posed: Posed, matte: Matte | None, vertices: Floats, anatomy: Anatomy
) -> Paint:
    """Return what a head is painted with.

    Args:
        sitter: whose photograph it is.
        posed: the head in it.
        matte: its hair.
        vertices: (V, 3) in the head's axes [head units].
        anatomy: of the head.
    """
    share = _shown(posed, matte, anatomy)
    colours = sampled(sitter.photograph, posed.places)
    gain = _light_gain(colours, share, posed, anatomy)
    gain *= _other_side(colours * gain, share, vertices, anatomy)
    mirror = anatomy.mirror
    mirrored = np.clip(share[mirror] - share, 0, 1) * posed.clean[mirror]
    mirrored = np.minimum(mirrored, 1 - share)
    known = share + mirrored
    mixed = share[:, None] * colours * gain + mirrored[:, None] * (colours * gain)[mirror]
    fill = _filled(mixed / np.maximum(known, 1e-3)[:, None], known, sitter, posed, anatomy)
    places = np.stack([posed.places, posed.places[mirror]], 1)
    gains = np.stack([gain, gain[mirror]], 1)
    if matte is not None:
        # Where the skull is hidden, hair goes on as it is where it is seen.
        hairy = _hairy(posed, matte, vertices, anatomy)
        # Across a triangle places are blended, so where it is painted from them its corners must
        # mean one kind of place: between the two lie two rings of vertices without mirrored skin.
        near = hairy | (anatomy.edges @ hairy > 0)
        beside = near | (anatomy.edges @ near > 0)
        places[near, 1] = 2 * matte.more(0.5 * posed.places[near] - 0.25) + 0.5
        gains[near, 1] = 1
        mirrored = np.where(hairy, 1 - share, np.where(beside, 0, mirrored))
    shares = np.stack([share, mirrored], 1).astype(np.float32)
    return Paint(places.astype(np.float32), shares, gains.astype(np.float32), fill)


def _shown(posed: Posed, matte: Matte | None, anatomy: Anatomy) -> Floats:
    """Return how far the photograph can be trusted at each vertex (V,)."""
    at = np.rint(posed.vertices[:, :2] * 0.5 - 0.25).astype(int)
    inside = ((at >= 1) & (at < PARTS_SIDE - 1)).all(1)
    at = np.clip(at, 1, PARTS_SIDE - 2)
    depth = posed.raster.depth
    nearest = np.max(
        [depth[at[:, 1] + dy, at[:, 0] + dx] for dy in (-1, 0, 1) for dx in (-1, 0, 1)], 0
    )
    facing = np.clip((posed.normals[:, 2] - _SLANT[0]) / (_SLANT[1] - _SLANT[0]), 0, 1)
    visible = inside & (posed.vertices[:, 2] * 0.5 > nearest - 2.5 - 3 * (1 - facing))
    label = posed.label
    fits = label != BACKGROUND
    fits &= ~((anatomy.ears | anatomy.neck) & (label == HAIR))
    fits &= ~((anatomy.ears | anatomy.scalp | anatomy.face) & (label == CLOTHES))
    if matte is not None:
        fits &= ~(anatomy.face & matte.at(0.5 * posed.places - 0.25))
    trusted = (visible & fits) * facing * facing * (3 - 2 * facing)
    eyes = slice(*EYEBALLS)
    trusted[eyes] = visible[eyes] * np.clip(2 * facing[eyes], 0, 1)
    # Where trust ends, it ends gradually, and never beyond what is seen.
    fading = anatomy.smoothed(trusted.astype(np.float32), 6)
    return np.asarray(np.minimum(trusted, fading), np.float32)


def covered_ears(
    posed: Posed, matte: Matte | None, vertices: Floats, anatomy: Anatomy
) -> tuple[bool, bool]:
    """Return whether hair hangs over the ear on the left and on the right of the picture."""
    if matte is None:
        return False, False
    there = matte.at(0.5 * posed.places - 0.25)
    left = vertices[:, 0] < 0
    ears = (anatomy.ears & left, anatomy.ears & ~left)
    first, second = (bool(ear.any() and there[ear].mean() > _COVERED) for ear in ears)
    return first, second


def _hairy(posed: Posed, matte: Matte, vertices: Floats, anatomy: Anatomy) -> NDArray[np.bool_]:
    """Return what hair grows on or hangs over (V,): the scalp but for what is seen of a forehead,
    and ears and neck of a side whose ear is covered."""
    there = matte.at(0.5 * posed.places - 0.25)
    hairy = anatomy.scalp & ~((posed.label == SKIN) & (posed.normals[:, 2] > _SLANT[0]))
    left = vertices[:, 0] < 0
    covered = covered_ears(posed, matte, vertices, anatomy)
    for side, hidden in zip((left, ~left), covered, strict=True):
        if hidden:
            hairy |= (anatomy.ears | anatomy.neck) & side & there
    return np.asarray(hairy)


def _light_gain(colours: Floats, share: Floats, posed: Posed, anatomy: Anatomy) -> Floats:
    """Return what takes the photograph's light out: (V, 3), about 1 on the mean of the skin."""
    skin = anatomy.face & (posed.label == SKIN)
    weight = np.where(skin, share, 0).astype(np.float32)
    mean = (weight[:, None] * colours).sum(0) / max(float(weight.sum()), 1e-3)
    albedo = np.maximum(mean, 1e-3)
    for _ in range(3):
        light = fit_light(posed.normals, colours, weight, albedo=albedo)
        shading = np.maximum(harmonics(posed.normals) @ light, 0.05)
        # Brows, lips, nostrils and beards are no skin, shine is no light: all stand out.
        off = np.log(np.maximum(colours @ _LUMA, 1e-3) / (shading * albedo @ _LUMA))
        spread = np.sqrt((weight * np.minimum(off**2, 0.25)).sum() / max(float(weight.sum()), 1e-3))
        weight = np.where(skin, share / (1 + (off / max(spread, 0.05)) ** 2), 0).astype(np.float32)
    level = (weight[:, None] * shading).sum(0) / max(float(weight.sum()), 1e-3)
    relative = np.clip(shading / level, *_LIGHT_BOUNDS)
    power = np.where(np.isin(posed.label, (HAIR, CLOTHES)) & ~anatomy.face, _HAIR_LIGHT, 1)
    return np.asarray(relative ** -power[:, None], np.float32)


def _other_side(albedo: Floats, share: Floats, vertices: Floats, anatomy: Anatomy) -> Floats:
    """Return what makes both sides of a face alike on the whole: (V, 3), about 1."""
    odd = _odd(vertices)
    mirror = anatomy.mirror
    weight = np.where(anatomy.face, np.minimum(share, share[mirror]), 0).astype(np.float64)
    level = np.log(np.maximum(albedo, 2e-3)).astype(np.float64)
    difference = np.clip(level - level[mirror], -1, 1)
    left = odd.T @ (odd * weight[:, None]) + np.eye(odd.shape[1]) * 1e-2 * weight.sum()
    found = np.linalg.solve(left, odd.T @ (0.5 * difference * weight[:, None]))
    lean = np.clip(odd @ found, -0.6, 0.6)
    return np.asarray(np.exp(-lean), np.float32)


def _odd(vertices: Floats) -> NDArray[np.float64]:
    """Return smooth functions (V, B) of a head that change their sign in a mirror: powers, and
    bumps about two centimetres wide over one cheek less those over the other."""
    x, y, z = vertices.astype(np.float64).T
    powers = [x, x * y, x * z, x**3, x * y**2, x * y * z]
    bumps = [
        _bump(x, y, across, down) - _bump(-x, y, across, down)
        for across in _BUMPS_X
        for down in _BUMPS_Y
    ]
    return np.stack([*powers, *bumps], 1)


def _bump(
    x: NDArray[np.float64], y: NDArray[np.float64], across: float, down: float
) -> NDArray[np.float64]:
    return np.asarray(np.exp(-((x - across) ** 2 + (y - down) ** 2) / (2 * _BUMP**2)))


def _filled(
    colours: Floats, known: Floats, sitter: Sitter, posed: Posed, anatomy: Anatomy
) -> Floats:
    """Return colours (V, 3) for what nothing shows: smooth from the borders inwards, with a little
    pull to the mean of skin, and a strong one to that of clothes below the neck."""
    sure = known > 0.5
    skin = sure & (anatomy.face | anatomy.neck) & (posed.label == SKIN)
    means = np.tile(_median(colours[skin], np.full(3, 0.25)), (len(colours), 1))
    pull = np.full(len(colours), _MEAN_PULL)
    shoulders = anatomy.neck & (
        posed.places[:, 1] > posed.places[anatomy.landmarks[8], 1] + _NECK * posed.unit
    )
    worn = cv2.resize(sitter.photograph, (PARTS_SIDE, PARTS_SIDE), interpolation=cv2.INTER_AREA)
    worn = worn[sitter.parts == CLOTHES]
    if len(worn) > _LEAST_CLOTHES:
        means[shoulders], pull[shoulders] = np.median(worn, 0), 1.0
    gap = np.flatnonzero(~anatomy.inside & ~sure & anatomy.drawn)
    edges = anatomy.edges[gap]
    degree = np.asarray(edges.sum(1)).ravel()
    matrix = sp.diags(degree + pull[gap]) - edges[:, gap]
    right = edges @ (colours * sure[:, None]) + pull[gap, None] * means[gap]
    fill = np.where(anatomy.inside[:, None], anatomy.within, colours).astype(np.float32)
    fill[gap] = spsolve(matrix.tocsc(), right)
    return np.clip(fill, 0, 1)


def _median(colours: Floats, otherwise: NDArray[np.float64]) -> Floats:
    return np.asarray(np.median(colours, 0) if len(colours) > 20 else otherwise, np.float32)
