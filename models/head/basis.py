"""A head as a mean shape, modes of identity and shapes of expression, after the ICT Face Model.

**Head units**: 1 is the distance between the outer eye corners of the mean head (8.92 cm of the
model). x to the picture's right, y down, z towards the camera, as in `fit`; the origin lies on the
axis about which a neck turns, at the height of the eyes, so a turn is a rotation about y.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..base import ModelInputError
from .accessories import Accessory, Glasses, Hat, put_on
from .fit import HeadFit, PointModel, fit_head, fit_identity, fit_pose
from .turning import Turned, behind_glasses, turn_pull, turned, turning_share

GROUPS: Final = ("face", "ears", "scalp", "neck", "eyes", "inside")
"""What a vertex belongs to; `Head.group` holds the numbers. `inside` are sockets, irises, gums,
teeth, tongue and lashes of the whole model."""


class Head(nn.Module):
    """A head of V vertices with I modes of identity and E shapes of expression."""

    neutral: Tensor
    """(V, 3) float32 [head units]."""
    identity: Tensor
    """(I, V, 3) float32 [head units per standard deviation]."""
    expression: Tensor
    """(E, V, 3) float32 [head units], each shown wholly at 1."""
    faces: Tensor
    """(F, 3) int64; seen from outside, corners follow so that (b - a) x (c - a) points outwards."""
    landmarks68: Tensor
    """(68,) int64 vertices of the 68 points (iBUG 300-W)."""
    contour: Tensor
    """(17, C) int64: where each jaw point may lie when the head turns, the point itself first."""
    group: Tensor
    """(V,) int64, numbers of `GROUPS`."""
    mirror: Tensor
    """(V,) int64: the vertex on the other side."""
    names: Tensor
    """uint8: the names of the expressions, UTF-8, one a line."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        """Take the arrays of the class; floating ones become float32.

        Raises:
            ModelInputError: one is missing, or their shapes do not agree.
        """
        super().__init__()
        wanted = sorted(name for name in Head.__annotations__)
        if sorted(tensors) != wanted:
            raise ModelInputError(
                f"a head has the arrays {', '.join(wanted)}, not {', '.join(sorted(tensors))}"
            )
        for name in wanted:
            value = tensors[name]
            self.register_buffer(name, value.float() if value.is_floating_point() else value)
        self._check()
        self.points = self._point_model()

    def _check(self) -> None:
        vertices = len(self.neutral)
        shapes = {
            "neutral": (vertices, 3),
            "landmarks68": (68,),
            "group": (vertices,),
            "mirror": (vertices,),
        }
        for name, shape in shapes.items():
            if tuple(getattr(self, name).shape) != shape:
                raise ModelInputError(
                    f"{name} of a head must be {shape}, not {tuple(getattr(self, name).shape)}"
                )
        for name in ("identity", "expression"):
            if getattr(self, name).shape[1:] != (vertices, 3):
                raise ModelInputError(f"{name} of a head must be (*, {vertices}, 3)")
        for name in ("faces", "landmarks68", "contour", "mirror"):
            value = getattr(self, name)
            if value.numel() == 0 or int(value.min()) < 0 or int(value.max()) >= vertices:
                raise ModelInputError(f"{name} of a head must name vertices below {vertices}")
        if len(self.expression_names) != len(self.expression):
            raise ModelInputError("a head needs one name for every expression")

    @property
    def expression_names(self) -> tuple[str, ...]:
        """The names of the E expressions, as in the ICT model: `jawOpen`, `mouthSmile_L` …"""
        return tuple(bytes(self.names.tolist()).decode().split("\n"))

    def in_group(self, *names: str) -> Tensor:
        """Return which vertices (V,) belong to some of `GROUPS`."""
        numbers = torch.tensor([GROUPS.index(name) for name in names], device=self.group.device)
        return torch.isin(self.group, numbers)

    def shape(self, identity: Tensor, expression: Tensor) -> Tensor:
        """Return vertices (..., V, 3) [head units] of coefficients (..., I) and (..., E)."""
        moved = torch.tensordot(identity, self.identity[: identity.shape[-1]], 1)
        shown = torch.tensordot(expression, self.expression, 1)
        shape: Tensor = self.neutral + moved + shown
        return shape

    def fit(
        self,
        points: NDArray[np.floating],
        weights: NDArray[np.floating] | None = None,
        *,
        sliding: bool = False,
    ) -> HeadFit:
        """Return the head of the points (T, 68, 2) [px] of a shot; see `fit.fit_head`."""
        return fit_head(points, weights, self.points, sliding=sliding)

    def fit_identity(
        self, points: NDArray[np.floating], weights: NDArray[np.floating] | None = None
    ) -> NDArray[np.float64]:
        """Return the identity (I,) of the points (T, 68, 2) [px] of a shot."""
        return fit_identity(points, weights, self.points)

    def fit_pose(self, points: NDArray[np.floating], identity: NDArray[np.float64]) -> HeadFit:
        """Return the head of a known identity (I,) in every frame by itself (T, 68, 2) [px]."""
        return fit_pose(points, identity, self.points)

    def vertices(self, fit: HeadFit, frame: int) -> Tensor:
        """Return the vertices (V, 3) of one frame of a fit [px of its points]; z towards the
        camera, 0 at the neck's axis."""
        identity, expression, turn, shift = (
            self.neutral.new_tensor(value)
            for value in (
                fit.identity,
                fit.expression[frame],
                fit.scale[frame] * fit.rotation[frame].T,
                fit.shift[frame],
            )
        )
        turned = self.shape(identity, expression) @ turn
        turned[:, :2] += shift
        return turned

    def turn(
        self,
        points: NDArray[np.floating],
        identity: NDArray[np.float64],
        degrees: float,
        cell: int,
        count: int,
        *,
        glasses: bool = False,
    ) -> Turned:
        """Return where what a head shows after a turn about its neck was before; see `turning`.

        Args:
            points: (68, 2) [px] of a face of a known identity (I,).
            degrees: above 0 the nose goes to the picture's right.
            cell, count: step of a grid of places [px], and how many there are along each side.
            glasses: whether the face wears some: they turn as a plane, with what is seen through.
        """
        fit = self.fit_pose(points[None], identity)
        known = self.neutral.new_tensor(fit.identity), self.neutral.new_tensor(fit.expression[0])
        shape = self.shape(*known).numpy()
        if glasses:
            shape = behind_glasses(shape, float(shape[self.landmarks68[[36, 45]], 2].mean()))
        before, after = (_placed(kept, fit) for kept in (shape, turned(shape, degrees)))
        skull = ~self.in_group("ears")[self.faces].any(1)
        faces = self.faces[skull].numpy().astype(np.int32)
        share = turning_share(shape)
        return turn_pull(before, after, share, faces, float(fit.scale[0]), cell, count)

    def normals(self, vertices: Tensor) -> Tensor:
        """Return unit normals (V, 3) of vertices (V, 3): the triangles' own, by their areas."""
        a, b, c = (vertices[self.faces[:, k]] for k in range(3))
        normal = torch.cross(b - a, c - a, dim=-1)
        total = torch.zeros_like(vertices)
        for k in range(3):
            total.index_add_(0, self.faces[:, k], normal)
        return nn.functional.normalize(total, dim=-1)

    def worn(self, name: Glasses | Hat, identity: Tensor) -> Accessory:
        """Return a thing on a head at rest with an identity (I,), in head units."""
        shape = self.shape(identity, self.expression.new_zeros(len(self.expression)))
        ears = self.in_group("ears").cpu().numpy()
        mesh = self.faces.cpu().numpy(), self.landmarks68.cpu().numpy()
        return put_on(name, shape.double().cpu().numpy(), *mesh, ears)

    def _point_model(self) -> PointModel:
        """Return what the fit needs of this head, as float64 arrays."""
        places = torch.cat([self.landmarks68, self.contour.flatten()])
        slides = 68 + torch.arange(self.contour.numel()).view(self.contour.shape)
        return PointModel(
            self.neutral[places].double().numpy(),
            self.identity[:, places].double().numpy(),
            self.expression[:, places].double().numpy(),
            slides.numpy(),
        )


def _placed(shape: NDArray[np.float32], fit: HeadFit) -> NDArray[np.float32]:
    """Return vertices (V, 3) [head units] in the first frame of a fit [px]."""
    places = shape @ (fit.scale[0] * fit.rotation[0].T)
    places[:, :2] += fit.shift[0]
    return np.asarray(places, np.float32)
