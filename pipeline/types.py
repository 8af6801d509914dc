"""The nouns of the program: what travels between the stages, checked at birth.

Coordinates and matrices follow the convention in `imaging/geometry.py`. Pixels of a frame stay in
the encoding they were decoded in (`Frame.planes`), because a frame converted to RGB and back is no
longer the frame: only the difference an edit makes is carried into the planes (`imaging/color.py`).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from .parsing import Parsing

Plane = NDArray[np.uint8] | NDArray[np.uint16]
Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 [px], half-open, in the upright frame."""

Matrix = Literal["bt709", "bt601", "fcc", "smpte240m", "bt2020", "rgb", "gray"]

Part = Literal["mouth", "eyes"]
PARTS: tuple[Part, ...] = ("mouth", "eyes")
"""Parts of a face that something may cover while the rest is seen; the order of their columns."""
Needs = frozenset[Part]
"""The parts of a face that an edit cannot do without."""


def columns_of(needs: Needs) -> list[int]:
    """Return the columns of some parts, among `PARTS`."""
    return [column for column, part in enumerate(PARTS) if part in needs]


def _check_rank(
    owner: str, name: str, value: NDArray[np.generic] | Tensor, shape: tuple[int | None, ...]
) -> None:
    """Raise ValueError unless `value.shape` matches `shape` (None matches any length)."""
    given = tuple(value.shape)
    if len(given) != len(shape) or any(s not in (None, given[k]) for k, s in enumerate(shape)):
        accepted = "(" + ", ".join("*" if s is None else str(s) for s in shape) + ")"
        raise ValueError(f"{owner}.{name} must have shape {accepted}, got {given}")


@dataclass(frozen=True, slots=True)
class PixelEncoding:
    """How the numbers of a frame's planes mean colour."""

    pix_fmt: str
    """FFmpeg name of a planar format, e.g. `yuv420p`, `yuv422p10le`, `gbrp`, `gray`."""
    bits: int
    """Significant bits of one sample, 8–16; more than 8 means uint16 planes."""
    matrix: Matrix
    full_range: bool

    def __post_init__(self) -> None:
        if not 8 <= self.bits <= 16:
            raise ValueError(f"PixelEncoding.bits must be 8–16, got {self.bits}")


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What is known of the video stream before the first frame is decoded."""

    width: int
    """[px] upright, after rotation."""
    height: int
    """[px] upright, after rotation."""
    time_base: Fraction
    """[s/tick] of every pts and duration."""
    rate: Fraction
    """Average [frames/s]; only for progress, smoothing and display: timing is the pts."""
    rotation_deg: int
    """Clockwise turn (0, 90, 180, 270) that makes the stored picture upright."""
    pixel_aspect: Fraction
    """Width ÷ height of one upright pixel."""
    pix_fmt: str
    """FFmpeg name as stored, before any regrouping into planes."""
    codec: str
    container: str
    color_range: int
    color_primaries: int
    color_transfer: int
    color_matrix: int
    frame_count_hint: int
    """Frames the container claims; 0 if it does not say. Never trusted."""
    duration_s: float
    """Seconds the container claims; 0 if it does not say."""


@dataclass(frozen=True, slots=True, repr=False)
class Frame:
    """One decoded frame, upright, in its own encoding."""

    index: int
    """0-based, in presentation order."""
    pts: int
    """[ticks of VideoInfo.time_base]"""
    duration: int
    """[ticks]; 0 if unknown."""
    planes: tuple[Plane, ...]
    """1, 3 or 4 planes (Y | Y U V | G B R, + alpha); subsampled chroma planes are smaller."""
    encoding: PixelEncoding

    def __post_init__(self) -> None:
        if len(self.planes) not in (1, 2, 3, 4):
            raise ValueError(f"Frame.planes must hold 1–4 planes, got {len(self.planes)}")
        for plane in self.planes:
            _check_rank("Frame", "planes[]", plane, (None, None))
            if plane.dtype != (np.uint8 if self.encoding.bits == 8 else np.uint16):
                raise ValueError(
                    f"Frame.planes of {self.encoding.bits} bits cannot be {plane.dtype}"
                )

    @property
    def width(self) -> int:
        """Upright width [px]."""
        return int(self.planes[0].shape[1])

    @property
    def height(self) -> int:
        """Upright height [px]."""
        return int(self.planes[0].shape[0])

    def __repr__(self) -> str:
        return (
            f"Frame(index={self.index}, pts={self.pts}, {self.width}x{self.height} "
            f"{self.encoding.pix_fmt})"
        )


@dataclass(frozen=True, slots=True, repr=False)
class Face:
    """One face found in one frame."""

    frame_index: int
    box: NDArray[np.float32]
    """(4,) float32, x0 y0 x1 y1 [upright frame px]."""
    landmarks: NDArray[np.float32]
    """(68, 2) float32, (x, y) [upright frame px], iBUG 300-W order."""
    score: float
    """0–1; from 0.5 it is known where the face is."""
    region_scores: tuple[float, float] = (1.0, 1.0)
    """Confidence 0–1 of the mouth and of the eyes alone: low when covered."""

    def __post_init__(self) -> None:
        _check_rank("Face", "box", self.box, (4,))
        _check_rank("Face", "landmarks", self.landmarks, (68, 2))
        if not 0.0 <= self.score <= 1.0:
            raise ValueError(f"Face.score must be 0–1, got {self.score}")

    def __repr__(self) -> str:
        box = ", ".join(f"{v:.0f}" for v in self.box)
        return f"Face(frame_index={self.frame_index}, box=[{box}], score={self.score:.2f})"


class FaceState(IntEnum):
    """Where the landmarks of one frame of a track come from."""

    ABSENT = 0
    DETECTED = 1
    INTERPOLATED = 2
    MANUAL = 3
    """Corrected by hand in the analysis file: never smoothed away."""
    EXCLUDED = 4
    """Marked in the analysis file as not to be edited."""


@dataclass(frozen=True, slots=True, repr=False)
class Track:
    """One person over the frames of one shot; T consecutive frames from `first_frame`."""

    track_id: int
    shot: int
    """Index of the shot (0-based); a track never crosses a cut."""
    first_frame: int
    landmarks: NDArray[np.float32]
    """(T, 68, 2) float32 [upright frame px]; meaningless where the state is ABSENT."""
    states: NDArray[np.uint8]
    """(T,) uint8 FaceState."""
    scores: NDArray[np.float32]
    """(T,) float32 0–1."""

    def __post_init__(self) -> None:
        t, kind = len(self.states), type(self).__name__
        _check_rank(kind, "landmarks", self.landmarks, (t, 68, 2))
        _check_rank(kind, "scores", self.scores, (t,))

    def __len__(self) -> int:
        return len(self.states)

    @property
    def end_frame(self) -> int:
        """Index after the last frame."""
        return self.first_frame + len(self)

    def __repr__(self) -> str:
        frames = f"{self.first_frame}–{self.end_frame - 1}"
        return f"{type(self).__name__}({self.track_id}, shot {self.shot}, frames {frames})"


@dataclass(frozen=True, slots=True, repr=False)
class FaceTrack(Track):
    """A track as the render pass uses it: gaps filled, points smoothed."""

    weights: NDArray[np.float32]
    """(T,) float32 0–1: how much of an edit this frame takes; 0 where ABSENT, ramps at gaps."""
    turned: NDArray[np.float32] = field(default_factory=lambda: np.ones(0, np.float32))
    """(T,) float32 0–1: what of the weight the head's turn leaves; left out: all of it."""
    excluded: frozenset[int] = frozenset()
    """Rows that the analysis file keeps from being edited; they are ABSENT."""
    parts: NDArray[np.float32] = field(default_factory=lambda: np.ones((0, len(PARTS)), np.float32))
    """(T, 2) float32 0–1: how far each of `PARTS` is seen, fading; left out: they are all seen."""

    def __post_init__(self) -> None:
        Track.__post_init__(self)  # a class with slots is made anew: super() would miss it
        t = len(self.states)
        for name, shape in (("parts", (t, len(PARTS))), ("turned", (t,))):
            if not len(getattr(self, name)):
                object.__setattr__(self, name, np.ones(shape, np.float32))
        for name in ("weights", "turned"):
            _check_rank("FaceTrack", name, getattr(self, name), (t,))
        _check_rank("FaceTrack", "parts", self.parts, (t, len(PARTS)))

    def share(self, needs: Needs) -> NDArray[np.float32]:
        """Return how much each frame (T,) takes of an edit that needs some parts, 0–1."""
        return np.asarray(self.weights * self.parts[:, columns_of(needs)].prod(1), np.float32)


@dataclass(frozen=True, slots=True, repr=False)
class AlignedBatch:
    """N face crops of one side, ready for an editor."""

    images: Tensor
    """(N, 3, S, S) float32 RGB in [-1, 1]."""
    crop_to_frame: NDArray[np.float64]
    """(N, 3, 3) float64, crop px → upright frame px."""
    landmarks: Tensor
    """(N, 68, 2) float32, (x, y) [crop px]."""
    frame_index: NDArray[np.int64]
    """(N,) int64."""
    track_id: NDArray[np.int64]
    """(N,) int64."""
    weights: Tensor
    """(N,) float32 0–1, from FaceTrack.weights."""
    quads: NDArray[np.float64] | None = None
    """(N, 4, 2) corners NW, SW, SE, NE of the square that FFHQ would cut out [crop px], steadied
    over time; None where the crop rule did not ask for them."""
    parts: Tensor | None = None
    """(N, 2) float32 0–1, from FaceTrack.parts; None: they are all seen."""
    parsing: Parsing | None = None
    """What the crops show where; None where nobody asked for it."""

    def __post_init__(self) -> None:
        n = self.images.shape[0]
        side = self.images.shape[-1]
        _check_rank("AlignedBatch", "images", self.images, (n, 3, side, side))
        _check_rank("AlignedBatch", "crop_to_frame", self.crop_to_frame, (n, 3, 3))
        _check_rank("AlignedBatch", "landmarks", self.landmarks, (n, 68, 2))
        for name in ("frame_index", "track_id", "weights"):
            _check_rank("AlignedBatch", name, getattr(self, name), (n,))
        if self.quads is not None:
            _check_rank("AlignedBatch", "quads", self.quads, (n, 4, 2))
        if self.parts is not None:
            _check_rank("AlignedBatch", "parts", self.parts, (n, len(PARTS)))
        if self.parsing is not None and len(self.parsing) != n:
            raise ValueError(f"AlignedBatch.parsing is of {len(self.parsing)} faces, not of {n}")

    def __len__(self) -> int:
        return int(self.images.shape[0])

    def share(self, needs: Needs) -> Tensor:
        """Return how much each crop (N,) takes of an edit that needs some parts, 0–1."""
        columns = () if self.parts is None else self.parts.unbind(1)
        return math.prod((columns[c] for c in columns_of(needs) if columns), start=self.weights)

    def rows(self, part: slice | list[int]) -> AlignedBatch:
        """Return some of the crops, as a batch."""
        values = {name: getattr(self, name) for name in self.__slots__}
        chosen: dict[str, Any] = {n: v if v is None else v[part] for n, v in values.items()}
        return AlignedBatch(**chosen)

    def to(self, device: torch.device) -> AlignedBatch:
        """Return the same batch with its tensors on a device; nobody waits for the transfer."""
        if self.images.device == device:
            return self

        def sent(tensor: Tensor) -> Tensor:
            # Only from pinned memory does CUDA copy while the host goes on.
            pins = device.type == "cuda" and tensor.device.type == "cpu"
            ready = tensor.pin_memory() if pins else tensor
            return ready.to(device, non_blocking=True)

        return dataclasses.replace(
            self,
            images=sent(self.images),
            landmarks=sent(self.landmarks),
            weights=sent(self.weights),
            parts=None if self.parts is None else sent(self.parts),
            parsing=None if self.parsing is None else self.parsing.to(device),
        )

    def __repr__(self) -> str:
        return f"AlignedBatch({len(self)} crops of {self.images.shape[-1]} px)"


@dataclass(frozen=True, slots=True)
class CropRule:
    """Which square round a face an editor sees, upright and of the frame's own pixels."""

    side_eyes: float | None = None
    """Its side [outer eye distances], about eyes and mouth; None: one that holds the square that
    FFHQ would cut out, whose corners come with it (`AlignedBatch.quads`)."""


@dataclass(frozen=True, slots=True, repr=False)
class EditedBatch:
    """Crops after an edit, or the part that it reaches, with the mask of what may change."""

    source: AlignedBatch
    images: Tensor
    """(N, 3, h, w) float32 RGB in [-1, 1], edited."""
    masks: Tensor
    """(N, 1, h, w) float32, 0 keep … 1 replace; 0 along the crop border."""
    corner: tuple[int, int] = (0, 0)
    """x, y [crop px] of the part's first pixel. Beyond the part all is as it was."""
    shifts: Tensor | None = None
    """(N, 2, h, w) float32, x, y [px] from every pixel to where it was moved from; None: nothing
    was moved."""
    left: Mapping[str, Tensor] = field(default_factory=dict)
    """By cause, what share of the edit it leaves each crop (N,) 0–1; masks have it in them."""

    def __post_init__(self) -> None:
        n, side = len(self.source), self.source.images.shape[-1]
        (x, y), (height, width) = self.corner, self.masks.shape[-2:]
        _check_rank("EditedBatch", "images", self.images, (n, 3, height, width))
        _check_rank("EditedBatch", "masks", self.masks, (n, 1, height, width))
        if self.shifts is not None:
            _check_rank("EditedBatch", "shifts", self.shifts, (n, 2, height, width))
        if not (0 <= x <= side - width and 0 <= y <= side - height):
            raise ValueError(
                f"EditedBatch: a part of {width}x{height} px at {self.corner} is not inside crops "
                f"of {side} px"
            )

    @property
    def part(self) -> tuple[slice, slice]:
        """Rows and columns of the crops."""
        (x, y), (height, width) = self.corner, self.masks.shape[-2:]
        return slice(y, y + height), slice(x, x + width)

    def whole(self) -> EditedBatch:
        """Return the same edit with whole crops, of S × S px."""
        if self.masks.shape[-2:] == self.source.images.shape[-2:]:
            return self
        images = self.source.images.clone()
        masks = images.new_zeros(len(images), 1, *images.shape[-2:])
        rows, columns = self.part
        images[:, :, rows, columns] = self.images
        masks[:, :, rows, columns] = self.masks
        shifts = None
        if self.shifts is not None:
            shifts = images.new_zeros(len(images), 2, *images.shape[-2:])
            shifts[:, :, rows, columns] = self.shifts
        return EditedBatch(self.source, images, masks, shifts=shifts, left=self.left)

    def __repr__(self) -> str:
        return f"EditedBatch({len(self.source)} crops of {self.source.images.shape[-1]} px)"


@dataclass(frozen=True, slots=True)
class FaceOutcome:
    """What happened to one face of one frame."""

    track_id: int
    edited: bool
    reason: str = ""
    """Why it was skipped, or empty."""
    left: Mapping[str, float] = field(default_factory=dict)
    """By cause, what share 0–1 of the edit it left; causes that took nothing are left out."""


@dataclass(frozen=True, slots=True)
class EditResult:
    """A frame on its way to the encoder, with what happened to its faces."""

    frame: Frame
    faces: tuple[FaceOutcome, ...]
