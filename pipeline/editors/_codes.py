"""The codes of a face over its shot, from some or all of its frames.

What a code holds of texture and colour is one for the whole shot: the median over the encoded
frames. Per-frame codes follow every flicker of light and landmarks, and an edit of a flickering
code flickers more than the code itself (w + α·T(w) amplifies). Where a model's first layers hold
the expression, these follow the face (`CodeRule`), smoothed without delay. The state (mouth, teeth,
yaw) changes over a shot too: it is sampled densely and interpolated in time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import WeightsError
from ..imaging import fading, temporal
from ..types import AlignedBatch, FaceTrack
from ._base import Artefact
from ._face_model import Codes, LatentModel

_MOST_RATE = 1000.0
"""Frames a second beyond which states of a face are settled no finer."""
_COLUMNS = 1024
"""Numbers of a code smoothed at once: what the smoother needs beside them grows with that."""


_HALF_MAX = 65504.0
"""Largest number of float16."""


def _no_layers() -> NDArray[np.float32]:
    return np.zeros((0, 0, 0), np.float32)


def _no_tone() -> NDArray[np.float32]:
    return np.zeros(2, np.float32)


@dataclass(frozen=True, slots=True, repr=False)
class ShotCodes:
    """The latent code of one track over its shot."""

    w: Tensor
    """(L, D) float32, one code for the shot."""
    state: Tensor
    """(T, G) float32, one row per frame of the track."""
    first_frame: int
    moving: Tensor = field(default_factory=lambda: torch.zeros(0, 0, 0))
    """(M, K, D) float32, the first K layers in M sampled frames, smoothed; empty: `w` is all."""
    places: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    """(T,) float64, place of every frame of the track among the samples, 0 … M - 1."""
    tone: NDArray[np.float32] = field(default_factory=lambda: np.zeros(2, np.float32))
    """(2,) float32, the usual tone of the face (see `fading.tones`); 0: not known."""

    def of(self, frame: int) -> Tensor:
        """Return the code (L, D) of a frame: layers that move are interpolated between samples."""
        if not self.moving.numel():
            return self.w
        place = float(self.places[frame - self.first_frame])
        low = min(int(place), len(self.moving) - 1)
        high = min(low + 1, len(self.moving) - 1)
        layers = torch.lerp(self.moving[low], self.moving[high], place - low)
        return torch.cat([layers, self.w[len(layers) :]])

    def at(self, batch: AlignedBatch) -> Codes:
        """Return the codes of N crops of the track, on their device."""
        frames = [int(frame) for frame in batch.frame_index]
        w = torch.stack([self.of(frame) for frame in frames])
        state = torch.stack([self.state[frame - self.first_frame] for frame in frames])
        device = batch.images.device
        return Codes(w=w.to(device, non_blocking=True), state=state.to(device, non_blocking=True))

    def __repr__(self) -> str:
        return (
            f"ShotCodes(w={tuple(self.w.shape)}, state={tuple(self.state.shape)}, "
            f"moving={tuple(self.moving.shape)})"
        )


@dataclass(frozen=True, slots=True, repr=False)
class SampledCodes:
    """What was encoded of one track: its code, and what changes of it in the sampled frames."""

    w: NDArray[np.float32]
    """(L, D) float32, element-wise median over the samples."""
    frames: NDArray[np.int64]
    """(M,) int64 frame indices, rising."""
    state: NDArray[np.float32]
    """(M, G) float32."""
    moving: NDArray[np.float32] = field(default_factory=_no_layers)
    """(M, K, D) float32, the first K layers in every sample, rounded to float16 times `half_scale`
    (they are stored so, and a run must give the same stored or not); empty for a model whose codes
    are held."""
    tone: NDArray[np.float32] = field(default_factory=_no_tone)
    """(2,) float32, the usual tone of the face (see `fading.tones`); 0: not known."""

    @classmethod
    def of(cls, artefact: Artefact) -> SampledCodes:
        """Return the codes that an artefact holds."""
        arrays = {name: tensor.numpy() for name, tensor in artefact.tensors.items()}
        scale = np.float32(artefact.facts["moving_scale"])
        return cls(**{**arrays, "moving": arrays["moving"].astype(np.float32) * scale})

    def kept(self) -> Artefact:
        """Return the codes as they are kept."""
        scale = half_scale(self.moving)
        arrays = {name: getattr(self, name) for name in ("w", "frames", "state", "tone")}
        arrays["moving"] = (self.moving / np.float32(scale)).astype(np.float16)
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        return Artefact(tensors, {"what": "codes", "moving_scale": scale})


def half_scale(values: NDArray[np.float32]) -> float:
    """Return the power of two, at least 1, to divide by so that float16 holds all of the values.

    Numbers rounded so come out of a second rounding as they are, even where rounding has brought
    their largest onto another power of two.
    """
    largest = float(np.abs(values).max(initial=0.0))
    return float(2.0 ** max(0.0, np.ceil(np.log2(max(largest, 1.0) / _HALF_MAX))))


def sampled(
    track: FaceTrack, times: NDArray[np.float64], *, rate_hz: float, most: int | None = None
) -> FaceTrack:
    """Return the track with weight 0 in all frames but those to encode, about `rate_hz` a second.

    Args:
        track: one face over a shot.
        times: (frames of the clip,) [s].
        rate_hz: samples per second; infinity keeps every frame.
        most: samples at most, spread evenly.
    """
    rows: list[int] = []
    last = -np.inf
    # A covered mouth says nothing of the expression, so such frames are taken for want of others.
    seen = track.share(frozenset({"mouth"}))
    for row in np.flatnonzero(seen if seen.any() else track.weights):
        t = times[track.first_frame + row]
        if t - last >= 1.0 / rate_hz - 1e-9:
            rows.append(int(row))
            last = t
    if most is not None and len(rows) > most:
        rows = [rows[k] for k in np.linspace(0, len(rows) - 1, most).round().astype(int)]
    weights = np.zeros_like(track.weights)
    weights[rows] = track.weights[rows]
    return dataclasses.replace(track, weights=weights)


def frames_of(track: FaceTrack) -> frozenset[int]:
    """Return the frames of the clip in which a track has weight."""
    return frozenset(int(track.first_frame + row) for row in np.flatnonzero(track.weights))


@dataclass(frozen=True, slots=True)
class FaceSample:
    """What one frame says of one face."""

    track: int
    frame: int
    state: NDArray[np.float32]
    """(G,)"""
    w: NDArray[np.float32] | None
    """(L, D); None where only the state was observed."""
    tone: NDArray[np.float32] = field(default_factory=_no_tone)
    """(2,) see `fading.tones`; 0: not known."""


def look_at(
    batch: AlignedBatch, model: LatentModel, *, coded: Mapping[int, Collection[int]] | None = None
) -> list[FaceSample]:
    """Return what the crops say, in any order; several threads may look at once.

    Args:
        batch: of any tracks and frames.
        model: what encodes them.
        coded: frames of every track that are encoded; of the others only the state is observed.
            Default: all are encoded.

    Raises:
        WeightsError: a code or its state is not finite.
    """
    whole = [coded is None or f in coded[t] for t, f in _faces(batch)]
    samples: list[FaceSample] = []
    with torch.inference_mode():
        if any(whole):
            part = _where(whole, batch)
            codes = model.encode(part)
            samples += _samples(part, codes.state, codes.w)
        if not all(whole):
            part = _where([not w for w in whole], batch)
            samples += _samples(part, model.observe(part))
    return samples


def gather(samples: Iterable[FaceSample], model: LatentModel) -> dict[int, SampledCodes]:
    """Return the codes of every track from samples in any order, at least one of each encoded."""
    by_track: dict[int, list[FaceSample]] = {}
    for sample in samples:
        by_track.setdefault(sample.track, []).append(sample)
    layers = model.codes.moving_layers
    return {track: _gathered(found, layers) for track, found in by_track.items()}


def _where(chosen: Sequence[bool], batch: AlignedBatch) -> AlignedBatch:
    """Return the chosen crops; all of them are not copied."""
    return batch if all(chosen) else batch.rows([n for n, yes in enumerate(chosen) if yes])


def _faces(batch: AlignedBatch) -> list[tuple[int, int]]:
    """Return the track and the frame of every crop."""
    return [(int(t), int(f)) for t, f in zip(batch.track_id, batch.frame_index, strict=True)]


def _samples(batch: AlignedBatch, states: Tensor, w: Tensor | None = None) -> Iterator[FaceSample]:
    measured = states.float().cpu().numpy()
    tones = fading.tones(batch.images, batch.landmarks)
    codes = None if w is None else w.float().cpu().numpy()
    for n, (track, frame) in enumerate(_faces(batch)):
        code = None if codes is None else codes[n]
        _check_finite(frame, *(() if code is None else (code, measured[n])))
        yield FaceSample(track, frame, measured[n], code, tones[n])


def _check_finite(frame: int, *values: NDArray[np.float32]) -> None:
    """Refuse what would turn a face into holes in the picture."""
    if not all(np.isfinite(v).all() for v in values):
        raise WeightsError(
            f"the encoder's code of the face in frame {frame} is not finite (NaN or infinity), so "
            "nothing can be drawn from it; weights whose codes are finite are needed: "
            "`visagist models verify` finds damaged ones, --precision fp32 rules out rounding"
        )


def _gathered(samples: list[FaceSample], moving_layers: int) -> SampledCodes:
    samples = sorted(samples, key=lambda sample: sample.frame)
    tone = fading.usual_tone(np.stack([sample.tone for sample in samples]))
    samples = _clear(samples, tone)
    frames = np.array([sample.frame for sample in samples], np.int64)
    w = torch.from_numpy(np.stack([sample.w for sample in samples if sample.w is not None]))
    moving = w[:, :moving_layers].numpy() if moving_layers else _no_layers()
    scale = np.float32(half_scale(moving))
    return SampledCodes(
        w=w.median(dim=0).values.numpy(),
        frames=frames,
        state=_filled(np.stack([sample.state for sample in samples]), frames),
        moving=(moving / scale).astype(np.float16).astype(np.float32) * scale,
        tone=tone,
    )


def _clear(samples: list[FaceSample], tone: NDArray[np.float32]) -> list[FaceSample]:
    """Return the samples that are not faded, if one of them has a code: what is seen in the dark
    is not how a face looks."""
    found = np.stack([sample.tone for sample in samples])
    left, _ = fading.shares(found, np.broadcast_to(tone, found.shape))
    clear = [sample for sample, a in zip(samples, left, strict=True) if a >= 1]
    return clear if any(sample.w is not None for sample in clear) else samples


def _filled(state: NDArray[np.float32], frames: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return states (M, G) whose columns are interpolated over the frames where they are NaN."""
    columns = [
        np.interp(frames, frames[known], column[known])
        for column, known in zip(state.T, np.isfinite(state).T, strict=True)
    ]
    return np.stack(columns, axis=1).astype(np.float32) if columns else state


def hold(
    track: FaceTrack, codes: SampledCodes, times: NDArray[np.float64], model: LatentModel
) -> ShotCodes:
    """Return the code of every frame of the shot, and its settled state.

    Args:
        track: the face the codes are of.
        codes: of the track.
        times: (frames of the clip,) [s].
        model: what the codes are of; it knows how they settle over time.
    """
    at = times[codes.frames]
    wanted = times[track.first_frame : track.end_frame]
    columns = [np.interp(wanted, at, column) for column in codes.state.T]
    state = np.stack(columns, axis=1) if columns else np.zeros((len(track), 0))
    duration = float(wanted[-1] - wanted[0])
    # Frames that follow each other by ticks, in a damaged file, would make windows without end.
    rate = min((len(wanted) - 1) / duration, _MOST_RATE) if duration > 0 else 25.0
    settled = model.settle(torch.from_numpy(state.astype(np.float32)), rate)
    return ShotCodes(
        torch.from_numpy(codes.w),
        state=settled,
        first_frame=track.first_frame,
        moving=_smoothed(codes.moving, at, model.codes.smoothing_s),
        places=np.interp(wanted, at, np.arange(len(at))),
        tone=codes.tone,
    )


def _smoothed(moving: NDArray[np.float32], at: NDArray[np.float64], strength_s: float) -> Tensor:
    """(M, K, D) the layers that move, smoothed over the moments `at` (M,) [s]."""
    flat = moving.reshape(len(moving), moving[:1].size)
    out = np.empty_like(flat)
    for first in range(0, flat.shape[1], _COLUMNS):
        part = slice(first, first + _COLUMNS)
        out[:, part] = temporal.smooth(flat[:, part], at, strength_s=strength_s)
    return torch.from_numpy(out.reshape(moving.shape))
