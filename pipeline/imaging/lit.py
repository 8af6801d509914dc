"""A face under other lamps: its relief, what of the picture is lit, and the change of its pixels.

Everything but the edge of a person is smooth, and is worked out in cells of some pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..parsing import LABELS, Label, Parsing
from .geometry import face_unit
from .lighting import GAMMA, Floats, Lamp, brightness, flux
from .masks import outline
from .relief import Numbers, Relief, Window, continued, relief_of
from .tones import LUMA, smoothstep

Part = tuple[slice, slice, Tensor, Tensor]
"""Rows and columns of a crop, (3, h, w) what they show, (1, h, w) their mask."""
Lit = Sequence[tuple[Lamp, float]]
"""Lamps, and how strong each is: below 0 it is taken away."""

_CELLS: Final = 20
"""Cells between the outer eye corners, about."""
_FINER: Final = 3
"""Of a cell along each side, how many the head is drawn in before they are averaged."""
_BESIDE, _ABOVE, _BELOW = 1.8, 1.75, 2.2
"""How far a picture is lit beside, above and below the middle between the eyes [E]."""
_TAKES: Final[dict[Label, float]] = {
    **dict.fromkeys(("skin", "brows", "eyes", "glasses", "nose", "lips", "mouth", "ears"), 1.0),
    "neck": 0.9,
    "hair": 0.7,
    "clothes": 0.3,
}
"""How much of the light each label takes; what is before the face and behind it takes none."""
_FALL: Final = 0.95
"""How far beyond the outline of the face the light ends [E]."""
_POWER: Final = 2.0
"""Light of a lamp of strength 1 on what faces it, beside the mean of what was there."""
_MOST: Final = 1.6
"""What the logarithm of light never changes by."""
_OWN_MOST: Final = 1.1
"""The same of how the light that is there varies: a dark side of a face is not all in the dark."""
_SKIN: Final[tuple[Label, ...]] = ("skin", "nose", "neck", "ears", "lips")
_SHADE: Final = np.array([0.83, 1.05, 1.18], np.float32)
"""What red, green and blue take of a change of skin's log luma by light, 1 as luma weighs them:
shade on skin is warmer than the skin, because light that comes back out of it is red. Measured on
1,661 pairs of places left and right on the faces of One Million Impressions."""
_FORMED: Final[tuple[Label, ...]] = ("skin", "brows", "nose", "ears", "neck", "glasses")
_MOVING: Final[tuple[Label, ...]] = ("eyes", "lips", "mouth")
"""What has the head's own relief, and what opens and closes in it; all else, hair above all, hangs
over it."""
_IN_SHADE, _IN_LIGHT = 0.8, 0.25
"""Shares of that where light is taken and where it is added: gloss, which is white, comes too."""
_LEVEL: Final = 0.08
"""Most that all of a face is made lighter or darker by to keep its mean [log]."""
_MESH, _SOFT, _EVEN, _BROAD, _ON = 0.045, 0.02, 0.06, 0.16, 0.05
"""Sigmas of what softens the relief, its light, its openings, and what hangs over it, and of the
first of those that carry the light on beyond the head [E]."""
_PERSON: Final = (0.25, 0.75)
"""Shares of what is no background that count for nothing, and fully."""
_STRIP: Final = 48
"""Rows that are worked on at a time: they fit into a processor's cache."""
_EDGE, _FLAT = 0.08, 2e-3
"""Reach of what finds the edge of a person in the picture [E]; variance of its tones that is none.
"""


@dataclass(frozen=True, eq=False)
class Scene:
    """One face, the head behind it, and what lies where round it."""

    picture: Floats
    """(3, h, w) RGB in [-1, 1], the window's pixels."""
    parsing: Parsing
    """Of one face."""
    landmarks: NDArray[np.float64]
    """(68, 2) [crop px]."""
    eyes: float
    """Size of the face [cells]."""
    window: Window
    relief: Relief
    """Its value is how much of a place is face, 0–1."""

    @classmethod
    def of(
        cls,
        image: Tensor,
        parsing: Parsing,
        landmarks: NDArray[np.floating],
        vertices: NDArray[np.floating],
        faces: Numbers,
        is_face: Floats,
    ) -> Scene:
        """Return the scene of a crop (3, S, S).

        Args:
            image: RGB in [-1, 1].
            parsing: of one face.
            landmarks: (68, 2) [crop px].
            vertices, faces: of the head, (V, 3) [crop px] and (F, 3).
            is_face: (V,) 0–1, what of the head is its face.
        """
        points = np.asarray(landmarks, np.float64)
        eyes = float(face_unit(points))
        window = _window(points, eyes, image.shape[-1])
        fine = window.finer(_FINER)
        relief = relief_of(vertices, faces, fine, is_face[:, None])
        relief = relief.smoothed(_MESH * eyes / fine.cell, _FINER)
        picture = image[:, window.rows, window.columns].cpu().numpy()
        return cls(picture, parsing, points, eyes / window.cell, window, relief)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height [px]."""
        return self.picture.shape[2], self.picture.shape[1]

    @property
    def face(self) -> Floats:
        """How much of each cell is face, (h, w) 0–1."""
        return np.asarray(self.relief.values[0])

    @cached_property
    def small(self) -> Floats:
        """The mean colours of the cells, (3, h, w) 0–1."""
        size = self.window.width, self.window.height
        small = [cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in self.picture]
        return np.stack(small) * np.float32(0.5) + np.float32(0.5)

    @cached_property
    def shares(self) -> Floats:
        """The shares of all labels in the cells, (13, h, w) 0–1."""
        window, parsing = self.window, self.parsing
        found = parsing.sampled(
            parsing.shares, window.rows, window.columns, window.cell, middle=True
        )
        return np.asarray(found[0].cpu().numpy())

    def of_labels(self, *labels: Label) -> Floats:
        """Return the share of any of some labels in each cell, (h, w) 0–1."""
        return np.asarray(self.shares[[LABELS.index(label) for label in labels]].sum(0))

    def skin(self) -> tuple[Floats, Floats]:
        """Return the normals (P, 3) of places of open skin, and the logarithm of the light (P,)
        that they send back."""
        luma = np.einsum("c,chw->hw", LUMA, self.small)
        open_skin = self.of_labels("skin", "nose") > 0.8
        good = open_skin & (self.face > 0.9) & (luma > 0.04) & (luma < 0.97)
        return self.relief.normals[:, good].T, np.float32(GAMMA) * np.log(luma[good])


def _window(points: NDArray[np.float64], eyes: float, side: int) -> Window:
    """Return the part of a crop of `side` px that may be lit."""
    cell = _FINER * max(1, round(eyes / _CELLS / _FINER))
    middle = 0.5 * (points[36] + points[45])
    low = np.floor(middle - np.array([_BESIDE, _ABOVE]) * eyes).astype(int).clip(0, side - cell)
    high = np.ceil(middle + np.array([_BESIDE, _BELOW]) * eyes).astype(int).clip(low + cell, side)
    # Even, so that half the pixels are whole pixels.
    width, height = np.maximum((high - low) // (2 * cell) * 2, 1).tolist()
    return Window(int(low[0]), int(low[1]), cell, width, height)


def log_ratio(scene: Scene, lamps: Lit, light: NDArray[np.float64]) -> Floats:
    """Return what lamps change the logarithm of the light on a scene by, (h, w), 0 in the mean of
    the face; `light` (3,): what falls on it already (`lighting.found_light`)."""
    relief, face = scene.relief, scene.face
    whole = max(float(face.sum()), 1e-6)
    own = np.log(brightness(relief.normals, light))
    own -= np.float32((own * face).sum() / whole)
    own = np.exp(np.float32(_OWN_MOST) * np.tanh(own / np.float32(_OWN_MOST)))
    added, taken = np.zeros_like(own), np.zeros_like(own)
    for lamp, strength in lamps:
        # A black flag that takes light away is no lamp: what it does not see is not brighter.
        falls = flux(relief, lamp, scene.eyes, shadows=strength > 0)
        if strength > 0:
            added += np.float32(_POWER * strength) * falls / own
        else:
            taken -= np.float32(strength) * np.log1p(np.float32(_POWER) * falls / np.sqrt(own))
    change = np.log1p(added) - taken
    change -= np.float32((change * face).sum() / whole)
    change = np.float32(_MOST) * np.tanh(change / np.float32(_MOST))
    change = continued(change, relief.there, _ON * scene.eyes)
    fine, even, broad = (
        np.asarray(cv2.GaussianBlur(change, (0, 0), sigma * scene.eyes), np.float32)
        for sigma in (_SOFT, _EVEN, _BROAD)
    )
    skin, moving = (scene.of_labels(*of) for of in (_FORMED, _MOVING))
    # Lids move, and a mesh knows little of them: round an opening all is even.
    moving = np.clip(3 * cv2.GaussianBlur(moving, (0, 0), _EVEN * scene.eyes), 0, 1)
    skin = np.minimum(skin, 1 - moving)
    return np.asarray(broad + (fine - broad) * skin + (even - broad) * moving)


def lit_share(scene: Scene) -> Floats:
    """Return how much of the light each cell takes, (h, w) 0–1: less beyond the face, none of it
    where its parsing or the window end."""
    window = scene.window
    takes = np.array([_TAKES.get(label, 0.0) for label in LABELS], np.float32)
    person = smoothstep(1 - scene.of_labels("background"), *_PERSON)
    far = beyond(outline(scene.landmarks), window) / np.float32(scene.eyes)
    share = np.einsum("l,lhw->hw", takes, scene.shares) * person * smoothstep(far, _FALL, 0.0)
    share *= _within((window.width, window.height), 0.15 * scene.eyes)
    return np.asarray(share, np.float32)


def _within(size: tuple[int, int], reach: float) -> Floats:
    """Return 0 on the border of a picture of some width and height, 1 from `reach` on within it."""
    across, down = (np.minimum(line, line[::-1]) for line in map(np.arange, size))
    return np.asarray(np.minimum(np.minimum(down[:, None], across) / reach, 1), np.float32)


def beyond(shape: NDArray[np.float64], window: Window) -> Floats:
    """Return how far beyond an outline (K, 2) [crop px] each cell lies, along the line from the
    middle of the outline, (h, w) [cells]; 0 or less within."""
    at = (shape - (window.left, window.top) + 0.5) / window.cell - 0.5
    middle = at.mean(0)
    angles = np.arctan2(*(at - middle).T[::-1])
    order = np.argsort(angles)
    reach = np.linalg.norm(at - middle, axis=1)[order]
    y = np.arange(window.height)[:, None] - middle[1]
    x = np.arange(window.width)[None] - middle[0]
    out = np.hypot(x, y) - np.interp(np.arctan2(y, x), angles[order], reach, period=2 * np.pi)
    return np.asarray(out, np.float32)


def drawn(scene: Scene, lamps: Lit, light: NDArray[np.float64]) -> Part:
    """Return the part of a crop under lamps (see `log_ratio`), its face as bright as it was."""
    change = levelled(log_ratio(scene, lamps, light) * np.float32(1 / GAMMA), scene)
    share = at_edges(lit_share(scene), scene)
    skin = scene.of_labels(*_SKIN)
    depth = np.where(change < 0, np.float32(_IN_SHADE), np.float32(_IN_LIGHT)) * skin
    tint = 1 + depth * (_SHADE[:, None, None] - 1)
    factors = np.stack([*(cv2.exp(change * of) for of in tint), cv2.exp(change)])
    image = relit(scene.picture, factors, share, scene.window.cell)
    mask = (share > 0).astype(np.float32)
    window = scene.window
    return window.rows, window.columns, torch.from_numpy(image), torch.from_numpy(mask)[None]


def levelled(change: Floats, scene: Scene) -> Floats:
    """Return changes of log colours (h, w), all of them more or less, so that the mean luma of the
    face's skin stays: bright skin takes less of what is added, and a face is not lit evenly."""
    top, luma = scene.small.max(0), np.einsum("c,chw->hw", LUMA, scene.small)
    counts = scene.face * scene.of_labels("skin", "nose") * luma
    whole = float(counts.sum())
    level = np.float32(0)
    for _ in range(3 if whole > 1e-3 else 0):
        factor = np.exp(change + level)
        level -= np.float32(np.log((counts * factor / bent(top, factor)).sum() / whole))
    return np.asarray(change + np.float32(_LEVEL) * np.tanh(level / np.float32(_LEVEL)))


def at_edges(share: Floats, scene: Scene) -> Floats:
    """Return shares of cells (h, w) at the pixels, their edges where those of the picture are.

    A guided filter (He, Sun and Tang, 2013) that goes by luma and by how red a place is, as skin is
    redder than walls of its brightness. Its slopes are found at a third of the size (He and Sun,
    2015), and used at half.
    """
    width, height = scene.size
    third, half = ((max(width // of, 1), max(height // of, 1)) for of in (3, 2))
    told = np.asarray(cv2.resize(share, third, interpolation=cv2.INTER_LINEAR), np.float32)
    side = 2 * max(1, round(_EDGE * scene.eyes * scene.window.cell / 3)) + 1
    guides = _guides(scene.picture, half)
    small = [cv2.resize(g, third, interpolation=cv2.INTER_LINEAR) for g in guides]
    slopes = _slopes(small, told, side)
    luma, red, rest = (cv2.resize(s, half, interpolation=cv2.INTER_LINEAR) for s in slopes)
    found = luma * guides[0]
    found += red * guides[1]
    found += rest
    # Nothing beyond what the cells allow, and nothing on the window's border.
    near = cv2.resize(cv2.blur(told, (side, side)), half, interpolation=cv2.INTER_LINEAR)
    found = np.clip(found, 0, 1) * np.minimum(near * 40, 1)
    found[found < 1e-3] = 0
    found *= _within(half, side)
    return np.asarray(cv2.resize(found, scene.size, interpolation=cv2.INTER_LINEAR), np.float32)


def _guides(picture: Floats, size: tuple[int, int]) -> tuple[Floats, Floats]:
    """Return luma and redness of a picture (3, h, w) at a smaller size."""
    red, green, blue = (cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in picture)
    luma = LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue
    return luma, np.asarray(red - np.float32(0.5) * (green + blue), np.float32)


def _slopes(guides: Sequence[Floats], told: Floats, side: int) -> Sequence[Floats]:
    """Return by how much values (h, w) grow with each of two guides within squares of `side`, and
    what is left of them, the mean over all squares that hold a place."""

    def mean(values: Floats) -> Floats:
        return np.asarray(cv2.blur(values, (side, side)), np.float32)

    first, second = guides
    one, other, level = mean(first), mean(second), mean(told)
    of_one = mean(first * first) - one * one + np.float32(_FLAT)
    of_other = mean(second * second) - other * other + np.float32(_FLAT)
    of_both = mean(first * second) - one * other
    with_one, with_other = mean(first * told) - one * level, mean(second * told) - other * level
    whole = of_one * of_other - of_both * of_both
    by_one = (with_one * of_other - with_other * of_both) / whole
    by_other = (with_other * of_one - with_one * of_both) / whole
    return mean(by_one), mean(by_other), mean(level - by_one * one - by_other * other)


def relit(picture: Floats, factors: Floats, share: Floats, cell: int) -> Floats:
    """Return a picture (3, h, w) with its colours multiplied, in [-1, 1].

    Args:
        picture: RGB in [-1, 1].
        factors: (4, h / cell, w / cell) of the colours and of luma, in cells.
        share: (h, w) 0–1, how much of it is done.
        cell: side of a cell [px].

    Towards white less is added (`bent`). Works on some rows at a time, and there only on the
    columns where anything is done; `relit_at_once` says the same in a few lines.
    """
    out = np.array(picture)
    around = [cv2.copyMakeBorder(f, 1, 1, 1, 1, cv2.BORDER_REPLICATE) for f in factors]
    strip = max(2, _STRIP // cell)
    for row in range(0, factors.shape[1], strip):
        rows = slice(row * cell, (row + strip) * cell)
        done = np.flatnonzero(share[rows].any(0))
        if not done.size:
            continue
        first, last = done[0] // cell, done[-1] // cell + 1
        place = rows, slice(first * cell, last * cell)
        # One cell more on every side, between whose middles factors lie.
        near = [f[row : row + strip + 2, first : last + 2] for f in around]
        size = (near[0].shape[1] * cell, near[0].shape[0] * cell)
        inner = slice(cell, size[1] - cell), slice(cell, size[0] - cell)
        fine = [cv2.resize(f, size, interpolation=cv2.INTER_LINEAR)[inner] for f in near]
        at = (slice(None), *place)
        _multiply(out[at], fine, share[place])
    return out


def _multiply(picture: Floats, factors: Sequence[Floats], share: Floats) -> None:
    """Multiply the colours of a picture (3, h, w) by the first three of factors (h, w), in place;
    the fourth is luma's."""
    top = cv2.max(cv2.max(picture[0], picture[1]), picture[2])
    held = share / bent(top * np.float32(0.5) + np.float32(0.5), factors[3])
    for channel in range(3):
        gain = factors[channel] * held
        gain -= share
        gain *= picture[channel] + 1
        picture[channel] += gain
    np.clip(picture, -1, 1, out=picture)


def relit_at_once(picture: Floats, factors: Floats, share: Floats) -> Floats:
    """Return what `relit` does, all of it in one go."""
    size = share.shape[::-1]
    fine = [cv2.resize(f, size, interpolation=cv2.INTER_LINEAR) for f in factors]
    top = 0.5 + 0.5 * picture.max(0)
    gains = np.stack(fine[:3]) / bent(top, fine[3])
    return np.asarray(picture + share * (gains - 1) * (picture + 1), np.float32).clip(-1, 1)


def bent(top: Floats, factor: Floats) -> Floats:
    """Return what a factor (h, w) is divided by so that a colour, the largest of its three `top`
    (h, w) 0–1, does not clip: m becomes g m / (1 + (g⁴ - 1) m⁴)^¼, a line at first that ends at 1.
    """
    more, high = np.maximum(factor, 1), top
    for _ in range(2):
        more, high = more * more, high * high
    more -= 1
    more *= high
    more += 1
    return np.asarray(cv2.sqrt(cv2.sqrt(more)), np.float32)
