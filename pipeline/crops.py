"""The crops of a clip's faces, and their codes: stored ones, and one pass for the others."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray

from .analysis import Analysis
from .batching import Halving
from .editors import Pack
from .media.container.decode import VideoReader
from .media.container.probe import Source
from .media.threads import in_order, prefetch
from .progress import Progress
from .stages.align import Chunk, CropRule, align, place
from .stages.edit import ShotCodes
from .stages.encode import (
    FaceSample,
    SampledCodes,
    fits,
    frames_of,
    gather,
    hold,
    look_at,
    sample_key,
    sampled,
)
from .types import FaceTrack, Frame, Needs


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

    @property
    def workers(self) -> int:
        """Threads that work through the frames: two share a CPU with the encoder; where the
        networks lie elsewhere, the CPU has more to do for the same device."""
        return 2 if self.device.type == "cpu" else max(2, min(4, os.cpu_count() or 2))

    def chunks(self, frames: Iterable[Frame]) -> Iterator[list[Frame]]:
        """Yield the frames in order, `batch_size` at a time."""
        remaining = iter(frames)
        while chunk := list(islice(remaining, self.batch_size)):
            yield chunk

    def cutter(
        self, tracks: Iterable[FaceTrack], needs: Sequence[Needs] = ()
    ) -> Callable[[list[Frame]], Chunk]:
        """Return what cuts the faces of some frames out; for any thread. `needs`: of the edits."""
        placed = place(tracks, self.rule, times=self.times, pixel_aspect=self.pixel_aspect)
        return lambda frames: align(frames, placed, needs)


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
    times, rule = analysis.times, pack.model.codes
    rate = rule.states_hz or rule.samples_hz
    watched = {t.track_id: sampled(t, times, rate_hz=rate) for t in tracks if t.weights.any()}
    settings = {**pack.settings, "version": str(rule.version)}
    owner = "/".join((pack.name, *(f"{k}={v}" for k, v in sorted(settings.items()))))
    keys = {t: f"{owner}:{sample_key(track, pack.hashes)}" for t, track in watched.items()}
    stored_codes = {t: analysis.codes.get(t, {}).get(key) for t, key in keys.items()}
    # Codes of other sizes than the pack's were tampered with; they are made anew.
    known = {t: c for t, c in stored_codes.items() if c is not None and fits(c, rule)}
    missing = tuple(track for t, track in watched.items() if t not in known)
    if missing:
        found = _encode_missing(
            source, missing, pack, crops, progress, content=analysis.fingerprint
        )
        known |= found
        stored = dict(analysis.codes)
        for t, codes in found.items():
            others = analysis.codes.get(t, {}).items()
            # What this pack encoded before the landmarks were corrected is of no more use.
            kept = {k: c for k, c in others if k.partition(":")[0] != owner}
            stored[t] = {**kept, keys[t]: codes}
        analysis = dataclasses.replace(analysis, codes=stored)
    else:
        progress.skip("encode faces")
    return {t: hold(watched[t], codes, times, pack.model) for t, codes in known.items()}, analysis


def _encode_missing(
    source: Source,
    watched: tuple[FaceTrack, ...],
    pack: Pack,
    crops: Crops,
    progress: Progress,
    *,
    content: str,
) -> dict[int, SampledCodes]:
    rule = pack.model.codes
    wanted = {frame for track in watched for frame in frames_of(track)}
    coded = {
        t.track_id: frames_of(
            sampled(t, crops.times, rate_hz=rule.samples_hz, most=rule.most_samples)
        )
        for t in watched
    }
    progress.start("encode faces", len(crops.times))
    cut = crops.cutter(watched)

    def seen(frames: list[Frame]) -> list[FaceSample]:
        _, batches, _ = cut(frames)
        there = (batch.to(crops.device) for batch in batches)
        return [s for b in there for s in look_at(b, pack.model, crops.halving, coded=coded)]

    with (
        VideoReader(source, content=content) as reader,
        prefetch(reader) as frames,
        in_order(
            seen,
            crops.chunks(f for f in _watched(frames, progress) if f.index in wanted),
            workers=crops.workers,
        ) as parts,
    ):
        found = gather((sample for part in parts for sample in part), pack.model)
    progress.finish()
    return found


def _watched(frames: Iterable[Frame], progress: Progress) -> Iterator[Frame]:
    for frame in frames:
        progress.advance(1)
        yield frame
