"""Where hair is, and what colours it has, learnt over a shot.

Inside the square of the parsing its shares tell; long hair leaves that square. What lies beyond is
told by a parsing of a larger square, coarser, over the whole shot, in the face's own frame. Colours
seen over the shot then part hair from what is beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from .hair_cells import RIM, WIDER, Cells, hair_of
from .tones import Floats, smoothstep

MAP_SIDE = 96
"""Cells of that map along both axes."""
_SHIFT = 3
BINS = 256 >> _SHIFT
"""Of colours, along each channel."""
_FAINT = 0.02
"""What any colour has beside what was seen of it, as a share of a bin's mean: a colour that was
never seen is not told by the little that spills over from its neighbours."""

_EVIDENCE = 0.015
"""Sigma of what colours say [outer eye distances]."""
_COUNTED = 0.8
"""Exponent of the odds that colours give."""
_DECIDED = (0.35, 0.7)
"""Shares of hair, by place and colour, that are none, and all."""
_HARDLY = (0.04, 0.2)
"""Shares of hair that count for none, and that colours may raise."""

_LOOSE = 0.12
"""Sigma of how far the edge of hair may lie beside that of the parsing [outer eye distances]."""
_BESIDE_SKIN, _HELD = (0.03, 0.2), (0.93, 0.65)
"""Shares of skin near by with which an edge is no longer one to a room; what of a share along an
edge is left at least, to a room and to skin."""
_BESIDE, _BEFORE_SKIN, _MORE_THAN_NOT = 0.05, 0.15, (0.4, 0.6)
"""How far from hair colours may find more of it, and may before skin [outer eye distances]; shares
that are hair."""

_SWAYS = 0.05
"""How far hair sways beyond where it is in other frames, in sides of the square."""
_SLIPS = 1
"""Frames of those looked at that may be mistaken at a place."""
_HALF = 0.5
"""Prior share of a place that is hair in all other frames: its colour decides."""
_PIECE = 0.3
"""Mean share of hair that makes a piece of it."""
_MOUTH, _CHIN = 0.4, (0.3, 0.9)
"""Places in the parsing's square: down to above the mouth; half the width and the end of a beard
on a chin."""
_MORE = 1 / 20
"""How much further hair reaches now and then, in sides of the square."""
_SEED = (0.5, 0.85)
"""Shares in the square from which hair begins to be followed out of it, and is."""
_FOLLOWED = 3.0
"""How far hair is followed at most [outer eye distances]."""
_OFTEN = (0.3, 0.7)
"""Shares of frames in which a place shows hair that count for nothing, and fully."""
PARSED_WIDER = 1.5
"""Side of the square in which hair is looked for beside that of the parsing, in sides of that: the
network was trained on closer faces, but tells hair in it; at 2 no longer."""


@dataclass(frozen=True, slots=True)
class HairPlace:
    """Where hair is beside the parsing's square, over a shot, and what colours it has."""

    like: Floats
    """(BINS, BINS, BINS) 0–1: how much more a colour (red, green, blue) is seen in hair than
    elsewhere, as a share of both."""
    where: Floats
    """(MAP_SIDE, MAP_SIDE) 0–1, over a square `WIDER` than the parsing's: how often hair."""

    least: Floats
    """(G, G) 0–1, on the parsing's grid: the share of hair in nearly every frame of the shot …"""
    most: Floats
    """… and in hardly any: 0 for what does not hang together with the hair of this head."""

    def share(self, window: Cells) -> Floats:
        """Return the share of hair of the cells of a window, (h, w) 0–1."""
        trust = window.trust()
        share = np.asarray(trust * window.hair(self.least, self.most), np.float32)
        if self.where.any():
            at = window.places()[None] / WIDER
            map_ = torch.from_numpy(self.where)[None, None]
            beside = F.grid_sample(map_, at, align_corners=False)[0, 0].numpy()
            share += (1 - trust) * beside
        skin = window.shares("skin")
        told = posterior(_loosened(share, skin, window), looked_up(self.like, window))
        return smoothstep(told * _near(share, skin, window), *_DECIDED)


def _loosened(share: Floats, skin: Floats, window: Cells) -> Floats:
    """Return shares of hair (h, w) that along an edge are less sure of themselves than a parsing.

    A parsing draws the edge of hair smooth: it knows neither the gaps of a fringe nor its tips. On
    skin (h, w) 0–1 there may be more hair than it says; beside a room, which may have any colour,
    there is only less, and where colours say so plainly.
    """
    sigma = max(_LOOSE * window.eyes / window.cell, 0.5)
    soft, beside = (cv2.GaussianBlur(values, (0, 0), sigma) for values in (share, skin))
    held = _HELD[0] + smoothstep(beside, *_BESIDE_SKIN) * np.float32(_HELD[1] - _HELD[0])
    return np.asarray(np.maximum(np.minimum(share, np.maximum(soft, held)), soft * skin))


def _near(share: Floats, skin: Floats, window: Cells) -> Floats:
    """Return where colours may make hair of a place (h, w) 0–1: next to what is more hair than not.

    A dark room is of the colour of dark hair, too; skin (h, w) 0–1 is not.
    """
    beside, before = (
        smoothstep(cv2.dilate(share, _disc(reach, window)), *_MORE_THAN_NOT)
        for reach in (_BESIDE, _BEFORE_SKIN)
    )
    return np.asarray(np.maximum(beside, before * skin), np.float32)


def _disc(reach: float, window: Cells) -> NDArray[np.uint8]:
    """Return a disc of cells for dilation by a distance [outer eye distances]."""
    side = 2 * max(round(reach * window.eyes / window.cell), 1) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)


def posterior(share: Floats, likeness: Floats) -> Floats:
    """Return shares of hair (h, w) once colours have been looked at, by Bayes' rule; colours count
    for less than they say, because neighbours are of one colour."""
    odds = np.power(likeness / (1 - likeness), np.float32(_COUNTED))
    raised = share * odds / (share * odds + 1 - share)
    return np.asarray(raised * smoothstep(share, *_HARDLY), np.float32)


def counted(colours: Floats, part: NDArray[np.bool_]) -> Floats:
    """Return how many of some cells (h, w) have each colour (3, h, w): (BINS, BINS, BINS)."""
    counts = np.bincount(_index(colours)[part], minlength=BINS**3)
    return counts.reshape(BINS, BINS, BINS).astype(np.float32)


def _index(colours: Floats) -> NDArray[np.int32]:
    red, green, blue = (
        (cv2.convertScaleAbs(c + 1, alpha=127.5) >> _SHIFT).astype(np.int32) for c in colours
    )
    return np.asarray((red * BINS + green) * BINS + blue)


def likeness_of(hair: Floats, others: Floats) -> Floats:
    """Return how much more each colour is seen in hair than elsewhere, from counts of both."""
    of_hair, of_others = (_spread(c) / max(float(c.sum()), 1e-6) for c in (hair, others))
    faint = np.float32(_FAINT / BINS**3)
    return np.asarray((of_hair + faint / 2) / (of_hair + of_others + faint), np.float32)


def _spread(counts: Floats) -> Floats:
    """Return counts blurred over neighbouring colours."""
    for axis in range(3):
        turned = np.ascontiguousarray(np.moveaxis(counts, axis, 0)).reshape(BINS, -1)
        soft = cv2.GaussianBlur(turned, (1, 9), 0, sigmaY=1.2, borderType=cv2.BORDER_REPLICATE)
        counts = np.moveaxis(soft.reshape(BINS, BINS, BINS), 0, axis)
    return np.ascontiguousarray(counts)


def looked_up(like: Floats, window: Cells) -> Floats:
    """Return what a table of likeness says of the cells of a window, (h, w) 0–1.

    A strand that shines is told by those beside it.
    """
    said = like.ravel()[_index(window.colours())]
    sigma = _EVIDENCE * window.eyes / window.cell
    soft = cv2.GaussianBlur(said, (0, 0), max(sigma, 0.5))
    return np.asarray(np.clip(soft, 1e-3, 1 - 1e-3))


def followed(window: Cells, wide: Cells) -> Floats:
    """Return where hair is in a window (h, w) 0–1: what hangs together with the hair inside the
    parsing's square.

    A reconstruction by dilation (Vincent, "Morphological grayscale reconstruction in image
    analysis", 1993).

    Args:
        window: a whole crop.
        wide: the same with what it shows in a square `PARSED_WIDER` times as large.
    """
    trust = window.trust()
    certain = smoothstep(window.hair(), *_SEED)
    beyond = wide.trust() * wide.at_cells(hair_of(wide.parsing, PARSED_WIDER))
    limit = np.asarray(trust * certain + (1 - trust) * beyond, np.float32)
    found, kernel = np.asarray(trust * certain, np.float32), np.ones((3, 3), np.uint8)
    for _ in range(round(_FOLLOWED * window.eyes / window.cell)):
        found = np.minimum(cv2.dilate(found, kernel), limit)
    return found


def on_map(found: Floats, window: Cells) -> Floats:
    """Return shares of the cells of a whole crop on the map round the face."""
    line = _map_line()
    matrix = window.parsing.crop_to_grid[0].cpu().double().numpy()
    back = np.linalg.inv(matrix[:, :2])
    at = np.stack(np.meshgrid(line, line)) - matrix[:, 2, None, None]
    pixels = np.einsum("ij,jhw->ihw", back, at)
    x, y = ((pixels + 0.5) / window.cell - 0.5).astype(np.float32)
    return np.asarray(cv2.remap(found, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT))


def averaged(maps: Sequence[Floats]) -> Floats:
    """Return where hair is beyond the parsing's square, (MAP_SIDE, MAP_SIDE) 0–1, from where it
    was followed to in some frames (`on_map`)."""
    found = smoothstep(np.mean(maps, axis=0).astype(np.float32), *_OFTEN)
    line = _map_line()
    beyond = np.maximum(np.abs(line)[None, :], np.abs(line)[:, None]) > RIM[1]
    return np.asarray(found * beyond, np.float32)


def of_head(often: Floats) -> Floats:
    """Return what of the parsing's grid (G, G) may be hair of a head, from the mean share of hair:
    what hangs together and reaches up to the mouth, or lies on the chin."""
    side = len(often)
    count, labels, boxes, _ = cv2.connectedComponentsWithStats((often > _PIECE).astype(np.uint8))
    kept = np.zeros_like(often, np.float32)
    for label in range(1, count):
        left, top, width, height, _ = boxes[label]
        x, y = ((v * 2 / side - 1) for v in (left + 0.5 * width, top))
        if y < _MOUTH or (abs(x) < _CHIN[0] and y + height * 2 / side < _CHIN[1]):
            kept[labels == label] = 1
    # Frame by frame there is a little more of it than on the whole.
    reach = 2 * round(_MORE * side) + 1
    grown = cv2.dilate(kept, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    return np.asarray(cv2.GaussianBlur(grown, (0, 0), 0.25 * reach), np.float32)


def bounds(shares: Floats, head: Floats) -> tuple[Floats, Floats]:
    """Return the least and the most share of hair (G, G) 0–1 that a frame of the shot can have.

    What is hair in a single frame only is a mistake, and so is what is none in a single one; but
    hair sways.

    Args:
        shares: (F, G, G) 0–1 of the frames looked at.
        head: (G, G) 0–1, what hangs together with the head (`of_head`).
    """
    ordered = np.sort(shares, axis=0)
    slips = min(_SLIPS, (len(shares) - 1) // 4)
    least, most = ordered[slips], ordered[-1 - slips]
    reach = 2 * round(_SWAYS * len(head)) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    least = cv2.erode(least, kernel, borderType=cv2.BORDER_REPLICATE)
    most = cv2.GaussianBlur(cv2.dilate(most, kernel), (0, 0), 0.2 * reach)
    return np.float32(_HALF) * least * head, np.asarray(most * head, np.float32)


def _map_line() -> Floats:
    """Return the places of the map's cells along an axis, in the parsing's square."""
    at = (np.arange(MAP_SIDE, dtype=np.float32) + 0.5) * (2 / MAP_SIDE) - 1
    return np.asarray(WIDER * at, np.float32)
