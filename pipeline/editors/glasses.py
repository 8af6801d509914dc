"""Glasses: a pair of spectacles or sunglasses on a face, drawn in three dimensions.

The head is fitted to the shot, the glasses are built on it (`models/head`), and drawn into every
frame at its own size: before the skin, behind cheeks and ears by depth, under hair where the
parsing sees it, lit as the face is, with a shadow, and as sharp and grainy as the clip. The clip's
own eyes stay behind the lenses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np
import torch
from torch import Tensor

from ..causes import WEARS_GLASSES, Shares
from ..imaging.face_light import FaceLight, encoded, linear
from ..imaging.worn import Layer, worn
from ..request import Edit
from ..types import AlignedBatch, EditedBatch
from ._attribute import Attribute
from ._base import PARSING, Artefact, Change, Editor, EditorSpec, Kit, Shot, Work, in_part
from ._head import head_of
from ._skin import frames_of
from ._worn import Floats, Looks, Sight, Wearer, artefact_of, fitted, rest, scale_of


@dataclass(frozen=True, slots=True)
class Options:
    """What `--set glasses.NAME=VALUE` may set."""

    shape: Literal["round", "square"] = "round"
    """Of `glasses`: thin round metal, or thick dark acetate."""

    @classmethod
    def of(cls, edit: Edit) -> Options:
        """Return the options of an edit."""
        return cls(**dict(edit.options))  # type: ignore[arg-type]  # checked when it was resolved


SPEC = EditorSpec(
    name="glasses",
    summary="puts glasses on a face, lit as it is (--set glasses.shape=square: thick dark rims)",
    attributes=(
        Attribute(
            "glasses",
            "face wears glasses; less than 1 lets them fade in",
            aliases=("spectacles", "eyeglasses"),
            low=0.0,
            high=1.0,
        ),
        Attribute(
            "sunglasses",
            "face wears sunglasses; less than 1 lets them fade in",
            aliases=("shades",),
            low=0.0,
            high=1.0,
        ),
    ),
    needs=frozenset({"head", PARSING}),
    options=Options,
)

_THINGS: Final = ("round", "square", "sunglasses")
_SHUTTER: Final = 0.5
"""Share of the time between frames that a shutter is open."""
_OWN_SHARPNESS: Final = 0.35
"""Sigma of what is drawn, before it is blurred [px]."""
_LEAST: Final = 1 / 512
"""Change of light below which a pixel stays as it is."""
_GRAIN: Final = 0.8
"""Share of the skin's grain that things have: most are darker."""


class Glasses(Editor):
    """Puts glasses on."""

    spec = SPEC

    def depends(self, shot: Shot, edit: Edit) -> Mapping[str, object]:
        """Return what a wearer depends on: not on what is worn."""
        del edit
        return shot.facts()

    def prepare_all(self, shots: Sequence[Shot], edit: Edit, work: Work) -> dict[int, Artefact]:
        """Return the heads of faces, and how they are lit, seen in one pass over the clip."""
        del edit
        head = head_of(self.kit)
        fits = {shot.key: fitted(shot.track, head) for shot in shots}
        looks = {}
        for shot in shots:
            identity, poses = fits[shot.key]
            shape = rest(head, torch.from_numpy(identity).float())
            normals = head.normals(torch.from_numpy(shape)).numpy()
            skin = head.in_group("face").cpu().numpy()
            looks[shot.key] = Looks(poses, shot.track.first_frame, shape, normals, skin)

        def look(batch: AlignedBatch) -> list[Sight]:
            return [looks[int(batch.track_id[n])].sight(batch, n) for n in range(len(batch))]

        seen: dict[int, list[Sight]] = {}
        for sight in work.looked(look, {shot.key: frames_of(shot) for shot in shots}):
            seen.setdefault(sight.track, []).append(sight)
        return {key: artefact_of(*fits[key], sights) for key, sights in seen.items()}

    def opened(self, shot: Shot, artefact: Artefact) -> Wearer:
        """Return the head with all it can wear."""
        return Wearer.of(shot, artefact, head_of(self.kit), _THINGS)

    def limits(self, shot: Shot, edit: Edit, prepared: Wearer) -> Mapping[str, Shares]:
        """Return that a face that wears glasses takes none."""
        del edit
        if not prepared.wears_glasses:
            return {}
        return {WEARS_GLASSES: np.zeros(len(shot.track), np.float32)}

    def apply(
        self, batch: AlignedBatch, edit: Edit, amount: Tensor, prepared: Wearer
    ) -> EditedBatch:
        """Return crops of a face that wears glasses."""
        thing = "sunglasses" if edit.attribute == "sunglasses" else Options.of(edit).shape
        changes: list[Change | None] = []
        for n, strength in enumerate(amount.clamp(0, 1).tolist()):
            change = None
            if strength and not prepared.wears_glasses:
                change = _put_on(batch, n, prepared, thing, strength)
            changes.append(change)
        return in_part(batch, changes)


def _put_on(
    batch: AlignedBatch, n: int, wearer: Wearer, thing: str, strength: float
) -> Change | None:
    """Return what glasses change in one crop."""
    row = int(batch.frame_index[n]) - wearer.first_frame
    matrix = batch.crop_to_frame[n]
    pose, turn = wearer.poses.at(row, matrix)
    own = wearer.light
    light = FaceLight(own.mean, turn @ own.slope, own.tint)
    side = batch.images.shape[-1]
    hair = None
    if batch.parsing is not None:
        whole = slice(0, side)
        hair = batch.parsing[n : n + 1].share("hair", rows=whole, columns=whole)[0, 0].cpu().numpy()
    layer = worn(wearer.things[thing], wearer.head, pose, light, (side, side), hair)
    if layer is None:
        return None
    layer = _as_sharp(layer, wearer, row, matrix)
    return _mixed(batch, n, layer, strength, wearer.noise)


def _as_sharp(layer: Layer, wearer: Wearer, row: int, matrix: Floats) -> Layer:
    """Return a layer as blurred as the clip, and as the head's motion blurs it."""
    sigma = np.sqrt(max((wearer.sharpness / scale_of(matrix)) ** 2 - _OWN_SHARPNESS**2, 0))
    shift = wearer.poses.shift
    last = len(shift) - 1
    before, after = shift[max(row - 1, 0)], shift[min(row + 1, last)]
    way = np.linalg.inv(matrix[:2, :2]) @ (after - before) * (0.5 * _SHUTTER)
    kernel = _streak(way)

    def blurred(part: Floats) -> Floats:
        soft = cv2.GaussianBlur(part, (0, 0), sigma) if sigma > 0.2 else part
        return soft if kernel is None else cv2.filter2D(soft, -1, kernel)

    parts = (blurred(part) for part in (layer.own, layer.passes, layer.solid))
    return Layer(layer.corner, *parts)


def _streak(way: Floats) -> Floats | None:
    """Return the kernel of a motion along a way (2,) [px]; None if it is short."""
    length = float(np.hypot(*way))
    if length < 0.7:
        return None
    reach = int(np.ceil(min(length, 24.0) / 2)) + 1
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    ends = [np.rint((reach + sign * way / 2) * 16).astype(int).tolist() for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0, 1, cv2.LINE_8, 4)
    return np.asarray(kernel / kernel.sum())


def _mixed(batch: AlignedBatch, n: int, layer: Layer, strength: float, grain: float) -> Change:
    """Return a crop's pixels with a layer over them, as far as they change."""
    x, y = layer.corner
    height, width = layer.solid.shape
    rows, columns = slice(y, y + height), slice(x, x + width)
    part = np.moveaxis(batch.images[n, :, rows, columns].cpu().numpy(), 0, 2)
    own, passes = strength * layer.own, 1 + strength * (layer.passes - 1)
    changes = (own.max(2) > _LEAST) | (passes.min(2) < 1 - _LEAST)
    drawn = encoded(own + passes * linear(part))
    seed = (int(batch.frame_index[n]), int(batch.track_id[n]), 7)
    noise = np.random.default_rng(seed).normal(size=layer.solid.shape).astype(np.float32)
    drawn += (2 * _GRAIN * grain * strength) * (layer.solid * noise)[..., None]
    edited = np.where(changes[..., None], np.clip(drawn, -1, 1), part)
    mask = cv2.dilate(changes.astype(np.float32), np.ones((3, 3), np.uint8))
    image = torch.from_numpy(np.ascontiguousarray(np.moveaxis(edited, 2, 0)))
    return rows, columns, image, torch.from_numpy(mask)[None]


def build(kit: Kit) -> Glasses:
    """Return the editor."""
    return Glasses(kit)
