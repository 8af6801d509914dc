"""Glasses and hats on a bust: solid shapes of `models.head.accessories`, made of what they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from scipy.spatial import cKDTree

from ...head.accessories import GLASSES, HATS, Accessory, Glasses, Hat, put_on
from ...head.raster import Floats
from .anatomy import SKIN_END, Anatomy
from .lighting import Light, ambient_light, shadow_map
from .studio import Bust
from .surface import Paint, Surface

State = Literal["none"] | Glasses | Hat
STATES: Final[tuple[State, ...]] = ("none", *GLASSES, *HATS)
"""What is worn in the seven states."""

_HAT_REACH, _TEMPLE_REACH = 0.14, 0.07
"""How far around a thing hair is pressed down [rad, from the middle of the skull]."""
_SKULL: Final = (0.0, -0.2, 0.05)
"""Middle of the skull [head units]."""
_POLISH: Final = 60.0
_MIRROR: Final = 6.0
"""How much stronger a highlight of a polished thing is than of a rough one of the same gloss."""


@dataclass(frozen=True, slots=True, eq=False)
class Outfit:
    """What a head wears, and what that leaves of its hair."""

    things: tuple[Surface, ...]
    """Solid ones first, then lenses."""
    hair: tuple[Surface, ...]


def dress(bust: Bust, rest: Floats, anatomy: Anatomy, state: State) -> Outfit:
    """Return what a bust wears in one of `STATES`.

    Args:
        bust: who wears it.
        rest: (V, 3) its head without expression.
        anatomy: of it.
        state: which.
    """
    if state == "none":
        return Outfit((), bust.hair)
    skin = anatomy.triangles[(anatomy.triangles < SKIN_END).all(1)].astype(np.int64)
    points = anatomy.landmarks.astype(np.int64)
    thing = put_on(state, rest.astype(np.float64), skin, points, anatomy.ears)
    surfaces = sorted(_surfaces(thing), key=lambda surface: surface.cover is not None)
    if state in HATS:
        hair = tuple(_under(sheet, thing, _HAT_REACH) for sheet in bust.hair)
    else:
        hair = tuple(_behind_temples(sheet, thing, bust.covered) for sheet in bust.hair)
    return Outfit(tuple(surfaces), hair)


def _behind_temples(sheet: Surface, glasses: Accessory, covered: tuple[bool, bool]) -> Surface:
    """Return hair without what would hide the temples of glasses, on sides where ears are bare."""
    pressed = _under(sheet, glasses, _TEMPLE_REACH)
    own = np.ones(len(sheet.vertices), np.float32) if sheet.cover is None else sheet.cover
    hidden = np.where(sheet.vertices[:, 0] < 0, *covered)
    bare = own if pressed.cover is None else pressed.cover
    return replace(pressed, cover=np.where(hidden, own, bare).astype(np.float32))


def _surfaces(thing: Accessory) -> list[Surface]:
    """Return a thing material by material."""
    made = []
    for number, material in enumerate(thing.materials):
        faces = thing.faces[thing.material == number]
        used, triangles = np.unique(faces, return_inverse=True)
        count = len(used)
        albedo = np.array(material.albedo, np.float32)
        clear = material.opacity < 1
        if clear and material.rough < 0.1:
            # A lens scatters nothing: its colour is that of what it lets through.
            albedo = albedo * (1 - material.opacity) * 0.05
        made.append(
            Surface(
                vertices=thing.vertices[used].astype(np.float32),
                triangles=triangles.reshape(-1, 3).astype(np.int32),
                normals=thing.normals[used].astype(np.float32),
                paint=Paint.plain(np.tile(albedo, (count, 1))),
                gloss=np.full(
                    count, material.gloss * (1 + _MIRROR * (1 - material.rough)), np.float32
                ),
                cover=(material.opacity * thing.density[used]).astype(np.float32)
                if clear
                else None,
                thin=not clear,
                polish=12 + (_POLISH - 12) * (1 - material.rough),
            )
        )
    return made


def _under(sheet: Surface, thing: Accessory, reach_around: float) -> Surface:
    """Return hair without what would stand out through a thing, as seen from within the skull."""
    middle = np.array(_SKULL, np.float32)
    out = thing.vertices.astype(np.float32) - middle
    reach = np.linalg.norm(out, axis=1)
    tree = cKDTree(out / reach[:, None])
    own = sheet.vertices - middle
    far = np.linalg.norm(own, axis=1)
    # Several of the nearest: a hat's inside and outside lie one behind the other.
    towards = own / np.maximum(far, 1e-6)[:, None]
    angle, near = tree.query(towards, k=12, distance_upper_bound=reach_around)
    least = np.where(angle < np.inf, np.append(reach, np.inf)[near], np.inf).min(1)
    keep = np.clip(1 - (far - least + 0.05) / 0.05, -1, 1).astype(np.float32)
    cover = keep if sheet.cover is None else np.minimum(sheet.cover, keep)
    return replace(sheet, cover=cover.astype(np.float32))


def light_on(
    bust: Bust, things: Sequence[Surface], lamp: Floats, base: Sequence[Light]
) -> list[Light]:
    """Return the light of one lamp (4,) on skin, hair and things.

    Args:
        bust: who wears them.
        things: solid ones first.
        lamp: the light.
        base: on skin and hair under that lamp, without the things.
    """
    lights = lamp[None]
    if not things:
        return list(base)
    solid = [thing for thing in things if thing.cover is None or thing.cover.mean() > 0.5]
    cast = shadow_map(solid, lamp, bust.matte) if solid else None
    skull = shadow_map([bust.head], lamp, bust.matte)
    out = []
    for surface, light in zip(bust.surfaces, base, strict=True):
        shade = light.shade
        if cast is not None:
            own = cast.lit_share(surface.vertices, surface.normals)
            shade = np.minimum(shade, own[:, None])
        out.append(light.at(lights, shade, surface))
    for thing in things:
        shade = skull.lit_share(thing.vertices, thing.normals)
        if cast is not None:
            shade = np.minimum(shade, cast.lit_share(thing.vertices, thing.normals))
        ambient = ambient_light(thing.normals, 0.8)
        empty = Light(shade[:, None], shade[:, None], ambient, lights)
        out.append(empty.at(lights, shade[:, None], thing))
    return out
