"""The codes of faces as the analysis file holds them: by track and pack, numbers in base64."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .stages.encode import SampledCodes, half_scale


def encoded(array: NDArray[np.generic], dtype: str) -> str:
    """Return an array of any shape as base64 of its numbers in one type."""
    return base64.b64encode(np.ascontiguousarray(array, dtype).tobytes()).decode("ascii")


def codes_to_json(codes: Mapping[int, Mapping[str, SampledCodes]]) -> dict[str, Any]:
    """Return the codes of an analysis as plain data."""
    return {
        str(track_id): {
            pack: {
                "w": encoded(c.w, "<f4"),
                "w_shape": list(c.w.shape),
                "frames": [int(f) for f in c.frames],
                "state": encoded(c.state, "<f4"),
                "state_shape": list(c.state.shape),
                "moving": encoded(c.moving / np.float32(half_scale(c.moving)), "<f2"),
                "moving_shape": list(c.moving.shape),
                "moving_scale": half_scale(c.moving),
                "tone": [float(v) for v in c.tone],
            }
            for pack, c in by_pack.items()
        }
        for track_id, by_pack in codes.items()
    }


def codes_from_json(
    entry: Mapping[str, Any], frame_count: int
) -> dict[int, dict[str, SampledCodes]]:
    """Return the codes that plain data holds.

    Raises:
        ValueError: the parts do not belong together or to a clip of `frame_count` frames; other
            data raises what Python raises for it.
    """

    def floats(data: Mapping[str, Any], name: str, dtype: str = "<f4") -> NDArray[np.float32]:
        raw = np.frombuffer(base64.b64decode(data[name], validate=True), dtype)
        values = raw.reshape([int(n) for n in data[f"{name}_shape"]]).astype(np.float32)
        with np.errstate(over="ignore"):
            values *= np.float32(data.get(f"{name}_scale", 1.0))
        if not np.isfinite(values).all():
            raise ValueError(f"'{name}' of stored codes must be finite")
        return values

    def codes(data: Mapping[str, Any]) -> SampledCodes:
        # Files made before codes could follow a face have no such layers.
        moving = {"moving": floats(data, "moving", "<f2")} if "moving" in data else {}
        frames = np.array(data["frames"], np.int64)
        tone = np.array(data.get("tone", (0.0, 0.0)), np.float32)
        found = SampledCodes(floats(data, "w"), frames, floats(data, "state"), tone=tone, **moving)
        _check_codes(found, frame_count)
        return found

    return {
        int(track_id): {pack: codes(data) for pack, data in by_pack.items()}
        for track_id, by_pack in entry.items()
    }


def _check_codes(codes: SampledCodes, frame_count: int) -> None:
    """Refuse codes whose parts do not belong together or to the clip."""
    frames, w, moving = codes.frames, codes.w, codes.moving
    inside = frames.ndim == 1 and len(frames) > 0
    if not inside or frames[0] < 0 or frames[-1] >= frame_count or (np.diff(frames) <= 0).any():
        raise ValueError(
            f"'frames' of stored codes must be rising frame numbers from 0 to {frame_count - 1}"
        )
    if codes.tone.shape != (2,) or not ((codes.tone >= 0) & (codes.tone <= 1)).all():
        raise ValueError(f"'tone' of stored codes must be two numbers 0–1, got {codes.tone}")
    fits = w.ndim == 2 and codes.state.ndim == 2 and len(codes.state) == len(frames)
    if fits and moving.size:
        fits = moving.ndim == 3 and len(moving) == len(frames) and moving.shape[1] <= len(w)
        fits = fits and moving.shape[2] == w.shape[1]
    if not fits:
        raise ValueError(
            f"stored codes of {frames.size} frames cannot have the shapes {w.shape} (w), "
            f"{codes.state.shape} (state) and {moving.shape} (moving)"
        )
