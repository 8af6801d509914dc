"""Encode: the code of every face over its shot, from a few of its frames.

A face keeps one code for the whole shot: the median over sampled frames. Per-frame codes follow
every flicker of light and landmarks, and an edit of a flickering code flickers more than the code
itself (w + α·T(w) amplifies). The state (mouth, teeth, yaw) does change over a shot: it is sampled
densely and interpolated in time.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..editors._base import LatentModel
from ..types import AlignedBatch, FaceTrack
from .edit import ShotCodes

SAMPLE_RATE_HZ = 10.0
"""Samples per second of a track: mouths open and close in about a fifth of a second."""


@dataclass(frozen=True, slots=True, repr=False)
class SampledCodes:
    """What was encoded of one track: its code, and its state in the sampled frames."""

    w: NDArray[np.float32]
    """(L, D) float32, element-wise median over the samples."""
    frames: NDArray[np.int64]
    """(M,) int64 frame indices, rising."""
    state: NDArray[np.float32]
    """(M, G) float32."""


def sampled(
    track: FaceTrack, times: NDArray[np.float64], *, rate_hz: float = SAMPLE_RATE_HZ
) -> FaceTrack:
    """Return the track with weight 0 in all frames but those to encode, about `rate_hz` a second.

    Args:
        track: one face over a shot.
        times: (frames of the clip,) [s].
        rate_hz: samples per second.
    """
    weights = np.zeros_like(track.weights)
    last = -np.inf
    for row in np.flatnonzero(track.weights > 0):
        t = times[track.first_frame + row]
        if t - last >= 1.0 / rate_hz - 1e-9:
            weights[row] = track.weights[row]
            last = t
    return dataclasses.replace(track, weights=weights)


def sample_key(track: FaceTrack, hashes: Mapping[str, str]) -> str:
    """Return what the codes of a sampled track depend on, as 64 hexadecimal digits.

    Another set of weights, other samples or other landmarks (smoothed otherwise, or corrected by
    hand) give another key.
    """
    rows = np.flatnonzero(track.weights)
    digest = hashlib.sha256(json.dumps(sorted(hashes.items())).encode())
    digest.update((track.first_frame + rows).astype("<i8").tobytes())
    digest.update(track.landmarks[rows].astype("<f4").tobytes())
    return digest.hexdigest()


def encode(batches: Iterable[AlignedBatch], model: LatentModel) -> dict[int, SampledCodes]:
    """Return the codes of all crops by track."""
    found: dict[int, list[tuple[int, Tensor, Tensor]]] = {}
    for batch in batches:
        with torch.inference_mode():
            codes = model.encode(batch)
        rows = zip(batch.frame_index, batch.track_id, codes.w.cpu(), codes.state.cpu(), strict=True)
        for frame, track, w, state in rows:
            found.setdefault(int(track), []).append((int(frame), w, state))
    return {track: _gathered(samples) for track, samples in found.items()}


def _gathered(samples: list[tuple[int, Tensor, Tensor]]) -> SampledCodes:
    samples = sorted(samples, key=lambda sample: sample[0])
    return SampledCodes(
        w=torch.stack([w for _, w, _ in samples]).median(dim=0).values.numpy(),
        frames=np.array([frame for frame, _, _ in samples], np.int64),
        state=torch.stack([state for _, _, state in samples]).numpy(),
    )


def hold(
    track: FaceTrack, codes: SampledCodes, times: NDArray[np.float64], model: LatentModel
) -> ShotCodes:
    """Return one code for the shot and the settled state of every frame.

    Args:
        track: the face the codes are of.
        codes: from `encode`.
        times: (frames of the clip,) [s].
        model: what the codes are of; it knows how its state settles over time.
    """
    at = times[codes.frames]
    wanted = times[track.first_frame : track.end_frame]
    columns = [np.interp(wanted, at, column) for column in codes.state.T]
    state = np.stack(columns, axis=1) if columns else np.zeros((len(track), 0))
    duration = float(wanted[-1] - wanted[0])
    rate = (len(wanted) - 1) / duration if duration > 0 else 25.0
    settled = model.settle(torch.from_numpy(state.astype(np.float32)), rate)
    return ShotCodes(torch.from_numpy(codes.w), state=settled, first_frame=track.first_frame)
