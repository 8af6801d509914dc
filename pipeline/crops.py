"""The crops of a clip's faces, and their codes: stored ones, and one pass for the others."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from .analysis import Analysis
from .batching import Halving
from .editors import Pack
from .progress import Progress
from .stages.align import Chunk, CropRule, align
from .stages.edit import ShotCodes
from .stages.encode import SampledCodes, encode, fits, hold, sample_key, sampled
from .types import FaceTrack, Frame
from .video.decode import VideoReader
from .video.probe import Source
from .video.threads import prefetch


@dataclass(frozen=True, slots=True)
class Crops:
    """How faces are cut out of the frames of one clip, and on which device they are edited."""

    pixel_aspect: float
    rule: CropRule
    batch_size: int
    device: torch.device
    times: NDArray[np.float64]
    """(frames of the clip,) [s]."""
    halving: Halving = field(default_factory=Halving)

    def of(self, tracks: tuple[FaceTrack, ...], frames: Iterable[Frame]) -> Iterator[Chunk]:
        """Yield every frame once, in order, with the crops of its faces on the device."""
        for chunk, batches, skipped in align(
            frames,
            tracks,
            self.rule,
            times=self.times,
            pixel_aspect=self.pixel_aspect,
            batch_size=self.batch_size,
        ):
            yield chunk, [batch.to(self.device) for batch in batches], skipped


def encode_tracks(
    source: Source,
    analysis: Analysis,
    tracks: tuple[FaceTrack, ...],
    pack: Pack,
    crops: Crops,
    progress: Progress,
) -> tuple[dict[int, ShotCodes], Analysis]:
    """Return the codes of every track, and the analysis with what was encoded for it.

    Codes the analysis holds already are used; for the others one more pass looks at a few frames.
    """
    times, rate = analysis.times, pack.model.codes.samples_hz
    chosen = {t.track_id: sampled(t, times, rate_hz=rate) for t in tracks if t.weights.any()}
    settings = {**pack.settings, "version": str(pack.model.codes.version)}
    owner = "/".join((pack.name, *(f"{k}={v}" for k, v in sorted(settings.items()))))
    keys = {t: f"{owner}:{sample_key(track, pack.hashes)}" for t, track in chosen.items()}
    stored_codes = {t: analysis.codes.get(t, {}).get(key) for t, key in keys.items()}
    # Codes of other sizes than the pack's were tampered with; they are made anew.
    known = {t: c for t, c in stored_codes.items() if c is not None and fits(c, pack.model.codes)}
    missing = tuple(track for t, track in chosen.items() if t not in known)
    if missing:
        found = _encode_missing(source, missing, pack, crops, progress, len(times))
        known |= found
        stored = dict(analysis.codes)
        for t, codes in found.items():
            others = analysis.codes.get(t, {}).items()
            # What this pack encoded before the landmarks were corrected is of no more use.
            kept = {k: c for k, c in others if k.partition(":")[0] != owner}
            stored[t] = {**kept, keys[t]: codes}
        analysis = dataclasses.replace(analysis, codes=stored)
    return {t: hold(chosen[t], codes, times, pack.model) for t, codes in known.items()}, analysis


def _encode_missing(
    source: Source,
    tracks: tuple[FaceTrack, ...],
    pack: Pack,
    crops: Crops,
    progress: Progress,
    frame_count: int,
) -> dict[int, SampledCodes]:
    wanted = {int(t.first_frame + row) for t in tracks for row in np.flatnonzero(t.weights)}
    progress.start("encode faces", frame_count)
    with VideoReader(source) as reader, prefetch(reader) as frames:
        picked = (f for f in _watched(frames, progress) if f.index in wanted)
        chunks = crops.of(tracks, picked)
        found = encode(
            (batch for _, batches, _ in chunks for batch in batches),
            pack.model,
            lambda batch: crops.halving(pack.model.encode, batch),
        )
    progress.finish()
    return found


def _watched(frames: Iterable[Frame], progress: Progress) -> Iterator[Frame]:
    for frame in frames:
        progress.advance(1)
        yield frame
