"""Encode: the code of every face over its shot, from a few of its frames.

A face keeps one code for the whole shot: the median over sampled frames. Per-frame codes follow
every flicker of light and landmarks, and an edit of a flickering code flickers more than the code
itself (w + α·T(w) amplifies). The state (mouth, teeth, yaw) does change over a shot: it is sampled
densely and interpolated in time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from ..editors._base import LatentModel
from ..types import AlignedBatch, Codes, FaceTrack
from .edit import ShotCodes

SAMPLE_RATE_HZ = 10.0
"""Samples per second of a track: mouths open and close in about a fifth of a second."""


EncodedFrame = tuple[int, Codes]
"""Frame index and the codes (N = 1) of one face in it."""


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


def encode(batches: Iterable[AlignedBatch], model: LatentModel) -> dict[int, list[EncodedFrame]]:
    """Return the codes of all crops by track, in frame order."""
    found: dict[int, list[EncodedFrame]] = {}
    for batch in batches:
        with torch.inference_mode():
            codes = model.encode(batch)
        for row, (frame, track) in enumerate(zip(batch.frame_index, batch.track_id, strict=True)):
            one = Codes(w=codes.w[row : row + 1].cpu(), state=codes.state[row : row + 1].cpu())
            found.setdefault(int(track), []).append((int(frame), one))
    for samples in found.values():
        samples.sort(key=lambda sample: sample[0])
    return found


def hold(
    track: FaceTrack,
    samples: Sequence[EncodedFrame],
    times: NDArray[np.float64],
    model: LatentModel,
) -> ShotCodes:
    """Return one code for the shot (element-wise median) and the settled state of every frame.

    Args:
        track: the face the samples are of.
        samples: at least one, in frame order.
        times: (frames of the clip,) [s].
        model: what the codes are of; it knows how its state settles over time.
    """
    w = torch.cat([codes.w for _, codes in samples]).median(dim=0).values
    at = times[[frame for frame, _ in samples]]
    states = torch.cat([codes.state for _, codes in samples]).double().numpy()
    wanted = times[track.first_frame : track.end_frame]
    columns = [np.interp(wanted, at, states[:, g]) for g in range(states.shape[1])]
    state = np.stack(columns, axis=1) if columns else np.zeros((len(track), 0))
    duration = float(wanted[-1] - wanted[0])
    rate = (len(wanted) - 1) / duration if duration > 0 else 25.0
    settled = model.settle(torch.from_numpy(state.astype(np.float32)), rate)
    return ShotCodes(w=w, state=settled, first_frame=track.first_frame)
