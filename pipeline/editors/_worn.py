"""What an editor of worn things knows of a face over a shot: its head, its light, its picture.

The head is fitted to the landmarks of the whole shot, with one identity; its poses are smoothed
over time as the landmarks are, so a thing on it keeps its shape and does not tremble.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..imaging.face_light import LUMA, FaceLight, linear, noise, sharpness
from ..imaging.geometry import eye_distance, invert
from ..imaging.solids import View
from ..imaging.worn import Pose, Solid
from ..types import AlignedBatch, FaceTrack
from ._base import Artefact, Shot
from ._head import Doubles, Head, Ints, Thing

Floats = NDArray[np.float32]

_SMOOTH_FRAMES: Final = 1.2
"""Sigma of the smoothing of poses over time [frames]."""
_FACING: Final = 0.3
"""z of the normals of skin that light is judged by, at least."""
_SKIN: Final = 0.8
"""Share of skin in a place that light is judged by."""
_GLASSES: Final = 0.027
"""Mean share of glasses round the eyes from which on a face wears some (measured: 0.036 to 0.1 with
glasses, 0.02 at most without)."""
_ROUND_EYES: Final = 0.4
"""How far round an eye that is [outer eye distances]."""
_HINGE: Final = 0.15
"""How far before the outer eye corners hair may begin to fall over things [head units]."""
_FLAT: Final = 0.02
"""Gradient of a blurred picture up to which it is flat."""


@dataclass(frozen=True, slots=True, eq=False)
class Poses:
    """A head in T frames of a track, at rest but for its pose."""

    scale: Doubles
    rotation: Doubles
    shift: Doubles

    def at(self, row: int, crop_to_frame: Doubles) -> tuple[Pose, Floats]:
        """Return the pose in a crop, and how the frame's axes are turned in it (3, 3)."""
        matrix = invert(crop_to_frame)
        size = scale_of(matrix)
        turn = np.eye(3)
        turn[:2, :2] = matrix[:2, :2] / size
        shift = matrix[:2, :2] @ self.shift[row] + matrix[:2, 2]
        rotation = np.asarray(turn @ self.rotation[row], np.float32)
        pose = Pose(float(size * self.scale[row]), rotation, np.asarray(shift, np.float32))
        return pose, np.asarray(turn, np.float32)


def scale_of(matrix: NDArray[np.floating]) -> float:
    """Return how much larger a similarity (3, 3) makes things."""
    return float(np.sqrt(abs(np.linalg.det(matrix[:2, :2]))))


def fitted(track: FaceTrack, head: Head) -> tuple[Doubles, Poses]:
    """Return identity (I,) and poses of the face of a track; frames without it show the nearest."""
    rows = np.flatnonzero(track.weights > 0)
    points = track.landmarks[rows].astype(np.float64)
    fit = head.fit(points, track.weights[rows])
    nearest = np.abs(np.arange(len(track))[:, None] - rows).argmin(1)
    scale, rotation, shift = (
        _smooth(values, rows)[nearest] for values in (fit.scale, fit.rotation, fit.shift)
    )
    left, _, right = np.linalg.svd(rotation)
    return np.asarray(fit.identity), Poses(scale, left @ right, shift)


def _smooth(values: Doubles, rows: Ints) -> Doubles:
    """Return values (T, ...) of some rows as Gaussian means over the rows near in time, of which
    slopes are kept: local lines."""
    away = (rows[None] - rows[:, None]) / _SMOOTH_FRAMES
    weight = np.where(np.abs(away) < 4, np.exp(-0.5 * away**2), 0.0)
    weight /= weight.sum(1, keepdims=True)
    flat = values.reshape(len(values), -1)
    mean, middle = weight @ flat, (weight * away).sum(1)
    spread = (weight * away**2).sum(1) - middle**2
    slope = (weight * away) @ flat - middle[:, None] * mean
    slope /= np.maximum(spread, 0.25)[:, None]
    return np.asarray((mean - middle[:, None] * slope).reshape(values.shape))


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """What one crop tells."""

    track: int
    normals: Floats
    """(P, 3) of skin."""
    colours: Floats
    """(P, 3) linear."""
    sharpness: float
    """[px of the frame]."""
    noise: float
    """Of luma in 0–1."""
    glasses: float
    """Mean share of glasses round the eyes."""


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """What is needed to look at the crops of one track."""

    poses: Poses
    first_frame: int
    shape: Floats
    """(V, 3) of the head at rest."""
    normals: Floats
    skin: NDArray[np.bool_]
    """(V,) which vertices are of the face."""

    def sight(self, batch: AlignedBatch, n: int) -> Sight:
        """Return what the n-th crop of a batch tells."""
        row = int(batch.frame_index[n]) - self.first_frame
        pose, turn = self.poses.at(row, batch.crop_to_frame[n])
        picture = np.moveaxis(batch.images[n].cpu().numpy(), 0, 2)
        marks = batch.landmarks[n].double().cpu().numpy()
        eyes = float(eye_distance(marks))
        points = pose.placed(self.shape)
        normals = self.normals @ pose.rotation.T
        size = picture.shape[0]
        at = np.rint(points[:, :2]).astype(int)
        inside = ((at >= 0) & (at < size)).all(1) & self.skin & (normals[:, 2] > _FACING)
        at = at[inside]
        whole = slice(0, size)
        glasses = 0.0
        told = np.ones(len(at), bool)
        if batch.parsing is not None:
            one = batch.parsing[n : n + 1]
            skin = one.share("skin", "nose", rows=whole, columns=whole)[0, 0].cpu().numpy()
            told = skin[at[:, 1], at[:, 0]] > _SKIN
            rims = one.share("glasses", rows=whole, columns=whole)[0, 0].cpu().numpy()
            glasses = _round_eyes(rims, marks, eyes)
        soft = cv2.GaussianBlur(linear(picture), (0, 0), max(0.02 * eyes, 0.5))
        luma = 0.5 * picture @ LUMA + 0.5
        box = _box(marks, size)
        flat = _flat(np.asarray(luma[box], np.float32))
        scale = scale_of(batch.crop_to_frame[n])
        at = at[told]
        return Sight(
            int(batch.track_id[n]),
            np.asarray((normals[inside] @ turn)[told], np.float32),
            soft[at[:, 1], at[:, 0]],
            scale * sharpness(np.asarray(luma[box], np.float32)),
            noise(np.asarray(luma[box], np.float32), flat),
            glasses,
        )


def _box(marks: Floats, size: int) -> tuple[slice, slice]:
    low = np.clip(np.floor(marks[17:].min(0)).astype(int), 0, size - 16)
    high = np.clip(np.ceil(marks[17:].max(0)).astype(int), low + 16, size)
    return slice(low[1], high[1]), slice(low[0], high[0])


def _flat(luma: Floats) -> NDArray[np.bool_]:
    soft = cv2.GaussianBlur(np.asarray(luma, np.float32), (0, 0), 2.0)
    steep = np.hypot(*np.gradient(soft))
    return np.asarray((steep < _FLAT) & (soft > 0.1) & (soft < 0.95))


def _round_eyes(rims: Floats, marks: Floats, eyes: float) -> float:
    """Return the mean share of glasses round both eyes."""
    y, x = np.mgrid[0 : rims.shape[0], 0 : rims.shape[1]]
    shares = []
    for eye in (marks[36:42], marks[42:48]):
        away = np.hypot(x - eye[:, 0].mean(), y - eye[:, 1].mean())
        shares.append(float(rims[away < _ROUND_EYES * eyes].mean()))
    return float(np.mean(shares))


def artefact_of(identity: Doubles, poses: Poses, sights: Sequence[Sight]) -> Artefact:
    """Return what is kept of a face over a shot."""
    light = FaceLight.of(
        np.concatenate([sight.normals for sight in sights]),
        np.concatenate([sight.colours for sight in sights]),
    )
    tensors = {
        "identity": identity,
        "scale": poses.scale,
        "rotation": poses.rotation,
        "shift": poses.shift,
        "light": np.concatenate([[light.mean], light.slope, light.tint]),
    }
    facts = {
        "sharpness": float(np.median([sight.sharpness for sight in sights])),
        "noise": float(np.median([sight.noise for sight in sights])),
        "glasses": float(np.median([sight.glasses for sight in sights])),
    }
    return Artefact({k: torch.from_numpy(np.asarray(v)) for k, v in tensors.items()}, facts)


@dataclass(frozen=True, slots=True, eq=False)
class Wearer:
    """A face over a shot, with the things it can be given."""

    poses: Poses
    first_frame: int
    head: tuple[Floats, Ints]
    """Vertices (V, 3) [head units] and triangles (F, 3)."""
    light: FaceLight
    sharpness: float
    noise: float
    wears_glasses: bool
    things: dict[str, Solid]

    @staticmethod
    def of(shot: Shot, artefact: Artefact, head: Head, names: Sequence[str]) -> Wearer:
        """Return the wearer of an artefact."""
        tensors = {name: tensor.numpy() for name, tensor in artefact.tensors.items()}
        light, identity = tensors["light"].astype(np.float32), artefact.tensors["identity"].float()
        shape = rest(head, identity)
        faces = head.faces.cpu().numpy()
        things = {n: _solid(head.worn(n, identity), shape, faces, head) for n in names}
        return Wearer(
            Poses(tensors["scale"], tensors["rotation"], tensors["shift"]),
            shot.track.first_frame,
            (shape, faces),
            FaceLight(float(light[0]), light[1:4], light[4:]),
            artefact.facts["sharpness"],
            artefact.facts["noise"],
            artefact.facts["glasses"] > _GLASSES,
            things,
        )


def rest(head: Head, identity: Tensor) -> Floats:
    """Return the vertices (V, 3) float32 of a head without an expression."""
    none = torch.zeros(len(head.expression))
    return cast("Floats", head.shape(identity.cpu(), none).numpy())


def _solid(thing: Thing, shape: Floats, faces: Ints, head: Head) -> Solid:
    vertices = np.asarray(thing.vertices, np.float32)
    kinds = thing.materials
    opacity = np.array([kind.opacity for kind in kinds], np.float32)
    albedo = np.array([kind.albedo for kind in kinds], np.float32)
    tint = albedo / albedo.max(1, keepdims=True)
    passes = np.where(opacity[:, None] < 1, (1 - opacity[:, None]) * tint, 0)
    gap = _gaps(vertices, shape, faces)
    marks = shape[head.landmarks68.cpu().numpy()]
    back = float(marks[[36, 45], 2].mean())
    side = np.clip((back + _HINGE - vertices[:, 2]) / 0.06, 0, 1)
    return Solid(
        vertices,
        np.asarray(thing.normals, np.float32),
        thing.faces,
        thing.material,
        albedo,
        np.asarray(passes, np.float32),
        np.array([kind.gloss for kind in kinds], np.float32),
        np.array([kind.rough for kind in kinds], np.float32),
        np.asarray(thing.density, np.float32),
        np.asarray(np.where(side > 0.5, np.minimum(gap, 0.02), gap), np.float32),
        np.asarray(side, np.float32),
    )


_CELLS: Final = 160.0
"""Of a head unit, where gaps are measured."""


def _gaps(points: Floats, shape: Floats, faces: Ints) -> Floats:
    """Return how far behind points (P, 3) the surface of a head lies; 1 where it does not."""
    low = shape[:, :2].min(0)
    corners = (shape - (*low, 0)) * _CELLS
    size = np.ceil(corners[:, :2].max(0)).astype(int) + 1
    view = View(np.asarray(corners, np.float32), faces)
    depth = view.depth(view.ids((int(size[1]), int(size[0])), view.facing())) / _CELLS
    at = np.rint((points[:, :2] - low) * _CELLS).astype(int)
    inside = ((at >= 0) & (at < size)).all(1)
    at = np.clip(at, 0, size - 1)
    behind = depth[at[:, 1], at[:, 0]]
    known = inside & np.isfinite(behind)
    return np.asarray(np.where(known, np.maximum(points[:, 2] - behind, 0), 1.0), np.float32)
