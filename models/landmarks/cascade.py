"""The landmark cascade: a whole-face network, then closer looks at the mouth and at each eye.

Give it a detector's boxes for new faces and the points of the frame before for faces that are
tracked.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..base import ModelInputError, WeightsError
from ..weights import load_safetensors, save_safetensors
from . import crops
from .fast import FastNet
from .net import PARTS, LandmarkNet, PartName
from .topology import BROWS, LEFT_EYE_AS_RIGHT, MOUTH, RIGHT_EYE

Image = NDArray[np.uint8] | crops.Planes
PACKAGED_WEIGHTS = Path(__file__).with_name("landmarks.safetensors")

# Confidence from the expected error s, in multiples of its median over clean held-out faces: 0.95
# at the median, 0.5 at the ratio below, where covered and lost faces begin (measured; see CARD.md).
_HALF_AT: dict[PartName, float] = {"main": 2.4, "mouth": 3.2, "eye": 3.3}
_AT_MEDIAN = 0.95
_MOUTH_IN_DOUBT = 0.45
"""A mouth with less confidence than this is looked for once more."""
_UPPER_FACE = slice(BROWS[0], MOUTH[0])
"""The points that show where a face is, whatever its mouth does: brows, nose and eyes. When the
mouth is wide open or covered they err no more than when it is closed, though the network is a
little less sure of them; of jaw and lips it is then much less sure. (The packaged `typical_scale`
was taken over nose, eyes and lips: 2 % more.)
"""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The landmarks of N faces."""

    points: NDArray[np.float32]
    """(N, 68, 2) float32 (x, y) [image px], iBUG 300-W order."""
    sigma: NDArray[np.float32]
    """(N, 68) float32 expected distance to the true point [image px]."""
    score: NDArray[np.float32]
    """(N,) float32 0-1; from 0.5 the place of the face is known. The mouth does not count."""
    mouth_score: NDArray[np.float32]
    """(N,) float32 0-1, of the mouth alone: low when covered."""
    eyes_score: NDArray[np.float32]
    """(N,) float32 0-1, of the worse eye alone."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What one network says of N crops, in image px."""

    points: NDArray[np.float64]
    sigma: NDArray[np.float64]
    mean_scale: NDArray[np.float64]
    """(N,) mean expected error [crop px]; of a whole face, that of its upper part."""
    face: NDArray[np.float64]
    """(N,) probability 0-1 that the crop shows a face."""
    tones: list[crops.Tone]
    """How each crop was brought to an ordinary contrast."""

    def take(self, row: int, other: _Found, k: int) -> None:
        """Replace what is said of one crop by what `other` says of its k-th."""
        for name in ("points", "sigma", "mean_scale", "face"):
            getattr(self, name)[row] = getattr(other, name)[k]


class LandmarkCascade(nn.Module):
    """68 points of faces in images, batched over faces."""

    def __init__(
        self, nets: dict[PartName, LandmarkNet], typical_scale: dict[PartName, float]
    ) -> None:
        """Join the networks; `typical_scale`: median expected error [crop px] on clean faces."""
        super().__init__()
        self.main, self.mouth, self.eye = nets["main"], nets["mouth"], nets["eye"]
        self.typical_scale = typical_scale
        self.label_shift = 0.0
        """How far right of the networks' points the labels lie, along the eyes [eye distances].

        The mesh that labelled the faces is off by half a cell of its own grid. Training on mirrored
        pictures as well removes that shift from the networks; it is put back, because everything
        else trained on the same labels (the portrait pack) has it.
        """
        self._fast: dict[PartName, FastNet] = {}
        self.eval()

    def frozen(self, dtype: torch.dtype = torch.float32) -> LandmarkCascade:
        """Return this cascade, from now on run by the networks' fast twins on their device.

        Later changes of the weights have no effect. `dtype` is that of the twins' features.
        """
        self._fast = {name: FastNet(getattr(self, name), dtype) for name in PARTS}
        return self

    @classmethod
    def load(
        cls, path: Path | None = None, *, expected_sha256: str | None = None
    ) -> LandmarkCascade:
        """Return the trained cascade (CPU, float32) from `path`, by default the packaged weights.

        Raises:
            WeightsError: the file is missing, damaged, or not a landmark cascade.
        """
        path = PACKAGED_WEIGHTS if path is None else path
        tensors, metadata = load_safetensors(path, expected_sha256=expected_sha256)
        nets: dict[PartName, LandmarkNet] = {
            name: LandmarkNet(part) for name, part in PARTS.items()
        }
        try:
            typical = json.loads(metadata["typical_scale"])
            cascade = cls(nets, {name: float(typical[name]) for name in PARTS})
            cascade.label_shift = float(metadata["label_shift"])
            cascade.load_state_dict({key: value.float() for key, value in tensors.items()})
        except (KeyError, ValueError, TypeError, RuntimeError) as e:
            raise WeightsError(
                f"{path} does not hold a landmark cascade of this version: {e}"
            ) from e
        return cascade

    def save(self, path: Path, metadata: dict[str, str]) -> None:
        """Write the weights as float16 safetensors, with what `load` needs to know."""
        tensors = {
            key: value.half() if value.dtype.is_floating_point else value
            for key, value in self.state_dict().items()
            if not key.endswith("num_batches_tracked")
        }
        facts = {
            "typical_scale": json.dumps(self.typical_scale),
            "label_shift": str(self.label_shift),
        }
        save_safetensors(path, tensors, {**metadata, **facts})

    def from_boxes(self, images: Sequence[Image], boxes: NDArray[np.floating]) -> Estimate:
        """Return landmarks for a frontal detector's boxes (N, 4) x0 y0 x1 y1 [px]: two passes.

        `images` holds one (H, W, 3) uint8 RGB array, or planes, per box; repeat it for several
        faces of a picture.
        """
        _check(images, boxes, (4,))
        side = PARTS["main"].size[0]
        first = self._look("main", images, [crops.box_crop(b, side) for b in boxes])
        return self.from_points(images, first.points)

    def from_points(self, images: Sequence[Image], points: NDArray[np.floating]) -> Estimate:
        """Return landmarks near earlier ones (N, 68, 2) [px]: one pass, then mouth and eyes."""
        _check(images, points, (68, 2))
        if not len(images):
            none = np.zeros(0, np.float32)
            return Estimate(
                np.zeros((0, 68, 2), np.float32), np.zeros((0, 68), np.float32), none, none, none
            )
        main = self._look_at_faces(images, points)
        mouth, eyes = self._look_closer(images, main)
        doubtful = np.flatnonzero(self._score("mouth", mouth) < _MOUTH_IN_DOUBT)
        if len(doubtful):
            self._look_again(images, doubtful, main, mouth, eyes)
        fine, sigma = main.points.copy(), main.sigma.copy()
        fine[:, MOUTH], sigma[:, MOUTH] = mouth.points, mouth.sigma
        for k, order in enumerate((RIGHT_EYE, LEFT_EYE_AS_RIGHT)):
            fine[:, order], sigma[:, order] = eyes.points[k::2], eyes.sigma[k::2]
        return Estimate(
            points=self._as_labelled(fine).astype(np.float32),
            sigma=sigma.astype(np.float32),
            score=self._face_score(main, fine),
            mouth_score=self._score("mouth", mouth).astype(np.float32),
            eyes_score=self._score("eye", eyes).reshape(-1, 2).min(axis=1).astype(np.float32),
        )

    def _look_again(
        self,
        images: Sequence[Image],
        rows: NDArray[np.intp],
        main: _Found,
        mouth: _Found,
        eyes: _Found,
    ) -> None:
        """Look at some faces once more where eyes and nose say they are, and keep the surer points.

        Print over a chin draws mouth and jaw down to it, then the next crop follows them, and so
        on: from such a crop a visible mouth is not found again.
        """
        again, side = [images[row] for row in rows], PARTS["main"].size[0]
        places = [crops.upper_face_crop(main.points[row], side) for row in rows]
        other = self._look("main", again, places)
        other_mouth, other_eyes = self._look_closer(again, other)
        better = (self._score("mouth", other_mouth) > _MOUTH_IN_DOUBT) & (
            self._score("main", other) > self._score("main", main)[rows]
        )
        for k in np.flatnonzero(better).tolist():
            row = int(rows[k])
            main.take(row, other, k)
            mouth.take(row, other_mouth, k)
            for eye in (0, 1):
                eyes.take(2 * row + eye, other_eyes, 2 * k + eye)

    def glance(
        self, images: Sequence[Image], points: NDArray[np.floating]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return what one pass over the whole face says near earlier points, without closer looks.

        Returns:
            points (N, 68, 2) [image px] and scores (N,) 0-1, float32, as `Estimate` has them.
        """
        _check(images, points, (68, 2))
        main = self._look_at_faces(images, points)
        return self._as_labelled(main.points).astype(np.float32), self._face_score(
            main, main.points
        )

    def _as_labelled(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (N, 68, 2) points moved by the labels' shift along the outer eye corners."""
        across = points[:, 45] - points[:, 36]
        moved: NDArray[np.float64] = points + self.label_shift * across[:, None]
        return moved

    def expected_errors(
        self, images: Sequence[Image], points: NDArray[np.floating]
    ) -> dict[PartName, NDArray[np.float64]]:
        """Return each network's mean expected error [crop px], (N,), near (N, 68, 2) points.

        The eye network looks at both eyes, so its array has 2N entries.
        """
        _check(images, points, (68, 2))
        main = self._look_at_faces(images, points)
        mouth, eyes = self._look_closer(images, main)
        return {"main": main.mean_scale, "mouth": mouth.mean_scale, "eye": eyes.mean_scale}

    def _look_at_faces(self, images: Sequence[Image], points: NDArray[np.floating]) -> _Found:
        side = PARTS["main"].size[0]
        return self._look("main", images, [crops.face_crop(p, side) for p in points])

    def _look_closer(self, images: Sequence[Image], main: _Found) -> tuple[_Found, _Found]:
        """Return the mouths (N) and the eyes (2N: right, left, right, ...)."""
        points, size = main.points, PARTS["mouth"].size
        places = [crops.mouth_crop(p, size) for p in points]
        mouth = self._look("mouth", images, places, main.tones)
        size = PARTS["eye"].size
        places = [crops.eye_crop(p, size, left=left) for p in points for left in (False, True)]
        twice = [image for image in images for _ in range(2)]
        tones = [tone for tone in main.tones for _ in range(2)]
        return mouth, self._look("eye", twice, places, tones)

    def _look(
        self,
        part: PartName,
        images: Sequence[Image],
        places: list[crops.Matrix],
        tones: list[crops.Tone] | None = None,
    ) -> _Found:
        """Run one network on crops of the images at `places` (crop_to_image).

        `tones`: of the faces' crops, for closer looks; by default each crop's own.
        """
        reference: LandmarkNet = getattr(self, part)
        net = self._fast.get(part, reference)
        size = PARTS[part].size
        sampled = [crops.sample_unrounded(i, m, size) for i, m in zip(images, places, strict=True)]
        tones = tones or [crops.Tone.of(crop) for crop in sampled]
        taken = [crops.levels(tone(crop)) for tone, crop in zip(tones, sampled, strict=True)]
        batch = torch.from_numpy(np.stack(taken)).to(reference.scale_bias.device)
        with torch.inference_mode():
            output = net(batch.permute(0, 3, 1, 2).float() / 255)
        points, scale = _numpy(output.points), np.exp(_numpy(output.log_scale))
        stretch = np.array([np.sqrt(abs(np.linalg.det(m[:, :2]))) for m in places])
        return _Found(
            points=np.stack([crops.apply(m, p) for m, p in zip(places, points, strict=True)]),
            sigma=scale * stretch[:, None],
            mean_scale=(scale[:, _UPPER_FACE] if part == "main" else scale).mean(axis=1),
            face=_numpy(torch.sigmoid(output.face_logit)),
            tones=tones,
        )

    def _face_score(self, main: _Found, points: NDArray[np.float64]) -> NDArray[np.float32]:
        score = self._score("main", main) * _is_face(main.face) * frontality(points)
        return np.asarray(score, np.float32)

    def _score(self, part: PartName, found: _Found) -> NDArray[np.float64]:
        half = _HALF_AT[part]
        steep = np.log(_AT_MEDIAN / (1 - _AT_MEDIAN)) / (half - 1)
        ratio = found.mean_scale / self.typical_scale[part]
        score: NDArray[np.float64] = 1 / (1 + np.exp(np.clip(steep * (ratio - half), -30, 30)))
        return score


def _is_face(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 for a face, falling to 0 below one half: the probability is too coarse for more."""
    return np.clip(2 * probability, 0.0, 1.0)


def frontality(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 while the nose tip lies between the outer eye corners, falling to 0 at a profile.

    On the mean face mesh it passes a corner at 45 degrees of yaw, where training ends, and lies 0.3
    of the corners' distance beyond it at 57.
    """
    across = points[:, 45] - points[:, 36]
    along = ((points[:, 30] - points[:, 36]) * across).sum(axis=1)
    place = along / np.maximum((across**2).sum(axis=1), 1e-9)
    score: NDArray[np.float64] = np.clip(1 - (np.abs(place - 0.5) - 0.5) / 0.3, 0.0, 1.0)
    return score


def _numpy(tensor: Tensor) -> NDArray[np.float64]:
    array: NDArray[np.float64] = tensor.double().cpu().numpy()
    return array


def _check(images: Sequence[Image], places: NDArray[np.floating], shape: tuple[int, ...]) -> None:
    if places.shape != (len(images), *shape):
        accepted = ", ".join(str(v) for v in (len(images), *shape))
        raise ModelInputError(
            f"{len(images)} images need places of shape ({accepted}), got {places.shape}"
        )
    for image in images:
        if isinstance(image, crops.Planes):
            continue
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ModelInputError(
                f"an image is (H, W, 3) uint8 RGB, got {image.shape} {image.dtype}"
            )
    if not np.isfinite(places).all():
        raise ModelInputError("boxes and points must be finite numbers")
