"""The grown-up attribute network: 128×128 colour, and not a picture but a *change* comes out.

The idea is the paper's (`published.py`): the attribute is encoded into maps, fused with the face's
maps, and a second stage that sees source and first result refines it. New are skip connections,
residual blocks, a vector of continuous numbers instead of a one-hot one, and what is drawn:

    result = (warp(source, flow) + FLOOR) · exp(gain) − FLOOR + residual

with levels of 0 to 1 inside the brackets. What a task does not need is switched off (`PARTS`), so
light, say, can neither move nor repaint a face. Both stages state the change in the same maps, and
the second one's are added to the first one's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..base import ModelInputError

Task = Literal["rotate", "light", "accessory", "complete", "flash"]
"""`light` asks for one of the turntable's lights, `flash` for one light more."""
TASKS: Final[tuple[Task, ...]] = get_args(Task)
SIDE: Final = 128
"""Side of the pictures [px]."""
FLOOR: Final = 0.02
"""Added to levels (0-1) before a gain multiplies them, so that light can fall on black."""
_MAPS: Final = 8
"""Maps that an attribute becomes, 16×16."""
_COARSE: Final = SIDE // 8
_KEYS: Final = 32
"""Numbers by which places are compared."""
_STEP: Final = 4.0
"""Pixels of flow per unit of its raw maps."""
_STRONGEST: Final = 3.0
"""Of a gain: e³ = 20 times as light or dark."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a task's network is made of."""

    attributes: int
    """Numbers in its attribute vector."""
    parts: tuple[str, ...]
    """What it changes: of flow, gain, residual."""
    first: tuple[int, int, int]
    """Maps of the first stage at 64², 32², 16²."""
    second: tuple[int, int, int]
    """Of the second stage."""


_LARGE: Final = ((24, 48, 72), (24, 40, 56))
_LIGHT: Final = ((16, 32, 48), (16, 24, 32))
SHAPES: Final[Mapping[Task, Shape]] = {
    "rotate": Shape(1, ("flow", "residual"), *_LARGE),
    "light": Shape(4, ("gain",), *_LIGHT),
    "accessory": Shape(7, ("residual",), *_LARGE),
    "complete": Shape(1, ("residual",), *_LARGE),
    "flash": Shape(4, ("gain",), *_LIGHT),
}
"""`dataset.continuous` says what the numbers of the vectors are."""

_CHANNELS: Final = {"flow": 2, "gain": 3, "residual": 4 * 4}
"""Raw maps at 64²; those of a residual are a mask and a colour for each of four pixels."""


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be done to pictures (N, 3, 128, 128); None: not that."""

    flow: Tensor | None
    """(N, 2, 128, 128) [px], right and down: the place it shows is that far from the pixel."""
    gain: Tensor | None
    """(N, 3, 128, 128) natural logarithm of the ratio of levels."""
    residual: Tensor | None
    """(N, 3, 128, 128), added in [-1, 1]."""
    mask: Tensor | None
    """(N, 1, 128, 128) in [0, 1]: how much of a pixel is the residual's paint."""

    def apply(self, images: Tensor) -> Tensor:
        """Return changed pictures (N, 3, 128, 128) of those in [-1, 1] that it was made for."""
        return self.unclamped(images).clamp(-1, 1)

    def unclamped(self, images: Tensor) -> Tensor:
        """Return what `apply` does before it is held to [-1, 1], which has gradients everywhere."""
        moved = images if self.flow is None else warped(images, self.flow)
        lit = moved if self.gain is None else _lit(moved, self.gain)
        return lit if self.residual is None else lit + self.residual


class Residual(nn.Module):
    """Two convolutions beside a short cut; nothing at first."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.kaiming_normal_(self.first.weight, nonlinearity="relu")
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Return maps of the shape of x."""
        return F.relu(x + self.second(F.relu(self.first(x))))


class Transport(nn.Module):
    """Says for every place of the wanted picture where in the source to look.

    Pixels alone teach a flow only where it is nearly right already: a turn moves a face by more
    than its features are wide. Here each place compares itself with every place of the source
    (Vaswani et al., "Attention Is All You Need", 2017), so what is far away is found as well.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.asked = nn.Conv2d(channels, _KEYS, 1)
        self.there = nn.Conv2d(channels, _KEYS, 1)
        self.place = nn.Parameter(torch.randn(1, _KEYS, _COARSE, _COARSE) * 0.5)
        self.join = nn.Conv2d(channels, channels, 1)
        y, x = torch.meshgrid(torch.arange(_COARSE), torch.arange(_COARSE), indexing="ij")
        self.register_buffer("places", torch.stack([x, y], -1).view(-1, 2).float(), False)
        self.places: Tensor
        # At first a place looks round itself.
        self.near = nn.Parameter(torch.tensor(0.3))
        apart = (self.places[:, None] - self.places).square().sum(-1)
        self.register_buffer("apart", apart, False)
        self.apart: Tensor

    def forward(self, fused: Tensor, source: Tensor) -> tuple[Tensor, Tensor]:
        """Return the fused maps with what was fetched, and the flow (N, 2, 16, 16) [cells].

        Args:
            fused: (N, C, 16, 16) maps that know what is wanted.
            source: (N, C, 16, 16) maps of the picture.
        """
        asked = (self.asked(fused) + self.place).flatten(2)
        there = (self.there(source) + self.place).flatten(2)
        alike = asked.transpose(1, 2) @ there / _KEYS**0.5
        looks = (alike.float() - self.near * self.apart).softmax(-1)
        fetched = (looks.to(source.dtype) @ source.flatten(2).transpose(1, 2)).transpose(1, 2)
        flow = (looks @ self.places - self.places).transpose(1, 2)
        out = fused + self.join(fetched.reshape(source.shape))
        return out, flow.reshape(-1, 2, _COARSE, _COARSE)


class Stage(nn.Module):
    """A U of three sizes whose bottom is fused with an attribute's maps."""

    def __init__(
        self,
        came: int,
        widths: tuple[int, int, int],
        raw: int,
        *,
        attributes: int,
        moves: bool = False,
    ) -> None:
        """Build a stage.

        Args:
            came: channels of what it looks at, at 128².
            widths: maps at 64², 32² and 16².
            raw: maps it states a change in, at 64².
            attributes: numbers of the attribute; 0 if it is not told.
            moves: whether parts of the picture change places; the first two raw maps are a flow.
        """
        super().__init__()
        fine, middle, coarse = widths
        self.fine = _conv(4 * came, fine)
        self.middle = nn.Sequential(_conv(fine, middle, stride=2), Residual(middle))
        self.coarse = nn.Sequential(_conv(middle, coarse, stride=2), Residual(coarse))
        self.attribute = _attribute_maps(attributes) if attributes else None
        maps = _MAPS if attributes else 0
        self.fusion = nn.Sequential(_conv(coarse + maps, coarse), Residual(coarse))
        self.transport = Transport(coarse) if moves else None
        self.bottom = nn.Sequential(_conv(coarse, coarse, stride=2), Residual(coarse))
        self.up_middle = nn.Conv2d(coarse, middle, 1)
        self.join_middle = Residual(middle)
        self.up_fine = nn.Conv2d(middle, fine, 1)
        self.join_fine = _conv(fine, fine)
        self.head = nn.Conv2d(fine, raw, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        if self.head.bias is not None:
            nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor, attribute: Tensor) -> Tensor:
        """Return raw maps (N, R, 64, 64) of x (N, C, 128, 128) and attributes (N, A)."""
        fine = F.relu(self.fine(F.pixel_unshuffle(x, 2)))
        middle = self.middle(fine)
        coarse = source = self.coarse(middle)
        if self.attribute is not None:
            maps = self.attribute(attribute).view(-1, _MAPS, _COARSE, _COARSE)
            coarse = torch.cat([coarse, maps], 1)
        fused, flow = self.fusion(coarse), None
        if self.transport is not None:
            fused, cells = self.transport(fused, source)
            half = 2 * _doubled(cells)
            flow = 2 * _doubled(half)
            # What lies beside the way down must lie where it is wanted.
            middle, fine = warped(middle, half), warped(fine, flow)
        fused = fused + _doubled(self.bottom(fused))
        joined = self.join_middle(F.relu(middle + _doubled(self.up_middle(fused))))
        up = F.relu(self.join_fine(F.relu(fine + _doubled(self.up_fine(joined)))))
        raw: Tensor = self.head(up)
        if flow is None:
            return raw
        return torch.cat([raw[:, :2] + flow * (2 / _STEP), raw[:, 2:]], 1)


class AttributeNetwork(nn.Module):
    """Both stages of one task."""

    def __init__(self, task: Task) -> None:
        """Build an untrained network; it changes next to nothing.

        Raises:
            ModelInputError: there is no such task.
        """
        super().__init__()
        if task not in TASKS:
            raise ModelInputError(f"there is no task {task!r}; there are {', '.join(TASKS)}")
        self.task = task
        self.shape = SHAPES[task]
        raw = sum(_CHANNELS[part] for part in self.shape.parts)
        self.first = Stage(
            3,
            self.shape.first,
            raw,
            attributes=self.shape.attributes,
            moves="flow" in self.shape.parts,
        )
        self.second = Stage(6, self.shape.second, raw, attributes=0)
        self.register_buffer("task_number", torch.tensor(TASKS.index(task)))

    def forward(self, images: Tensor, attribute: Tensor) -> Change:
        """Return the change that gives faces an attribute.

        Args:
            images: (N, 3, 128, 128) float32 RGB in [-1, 1].
            attribute: (N, A) float32; `dataset.continuous` says what its numbers are.

        Raises:
            ModelInputError: other shapes.
        """
        return self.both(images, attribute)[1]

    def both(self, images: Tensor, attribute: Tensor) -> tuple[Change, Change]:
        """Return what the first stage would do, and both together; arguments as of `forward`."""
        self._check(images, attribute)
        raw = self.first(images, attribute)
        first = self.change(images, raw)
        return first, self.change(images, raw + self.refinement(images, attribute, first))

    def refinement(self, images: Tensor, attribute: Tensor, first: Change) -> Tensor:
        """Return the raw maps (N, R, 64, 64) the second stage adds, seeing source and result."""
        out: Tensor = self.second(torch.cat([images, first.apply(images)], 1), attribute)
        return out

    def change(self, images: Tensor, raw: Tensor) -> Change:
        """Return the change that raw maps (N, R, 64, 64) state."""
        sizes = [_CHANNELS[part] for part in self.shape.parts]
        maps = dict(zip(self.shape.parts, torch.split(raw.float(), sizes, 1), strict=True))
        flow = _doubled(maps["flow"]) * _STEP if "flow" in maps else None
        gain = None
        if "gain" in maps:
            gain = _STRONGEST * torch.tanh(_doubled(maps["gain"]) / _STRONGEST)
        if "residual" not in maps:
            return Change(flow, gain, None, None)
        drawn = F.pixel_shuffle(maps["residual"], 2)
        mask, paint = torch.sigmoid(drawn[:, :1] - 2), drawn[:, 1:]
        moved = images if flow is None else warped(images, flow)
        return Change(flow, gain, mask * (paint - moved), mask)

    def _check(self, images: Tensor, attribute: Tensor) -> None:
        if images.dim() != 4 or tuple(images.shape[1:]) != (3, SIDE, SIDE):
            raise ModelInputError(
                f"expected pictures (N, 3, {SIDE}, {SIDE}) in [-1, 1], got {tuple(images.shape)}"
            )
        if tuple(attribute.shape) != (len(images), self.shape.attributes):
            raise ModelInputError(
                f"{self.task!r} takes attributes ({len(images)}, {self.shape.attributes}) for "
                f"{len(images)} pictures, got {tuple(attribute.shape)}"
            )


def warped(images: Tensor, flow: Tensor) -> Tensor:
    """Return pictures (N, C, H, W) seen through a flow (N, 2, H, W) [px], right and down: each
    pixel shows the place that far from it; places outside show the nearest edge."""
    rows, columns = images.shape[-2:]
    y = torch.arange(rows, dtype=flow.dtype, device=flow.device)[:, None]
    x = torch.arange(columns, dtype=flow.dtype, device=flow.device)[None]
    across = (flow[:, 0] + x + 0.5) * (2 / columns) - 1
    down = (flow[:, 1] + y + 0.5) * (2 / rows) - 1
    grid = torch.stack([across, down], -1).to(images.dtype)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _lit(images: Tensor, gain: Tensor) -> Tensor:
    """Return pictures in [-1, 1] whose levels a gain has multiplied."""
    return ((images + 1) / 2 + FLOOR) * gain.exp() * 2 - (1 + 2 * FLOOR)


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def _conv(came: int, channels: int, *, stride: int = 1) -> nn.Module:
    layer = nn.Conv2d(came, channels, 3, stride, 1)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return nn.Sequential(layer, nn.ReLU()) if stride == 2 else layer


def _attribute_maps(attributes: int) -> nn.Module:
    return nn.Sequential(nn.Linear(attributes, 48), nn.ReLU(), nn.Linear(48, _MAPS * _COARSE**2))
