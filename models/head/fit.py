"""The shape, pose and expression of a head from the 68 points of its face in every frame of a shot.

Weak perspective: `points = scale · rotation[:2] · shape + shift`, shape = neutral + identity +
expression. All unknowns at once by Gauss–Newton steps with a ridge (coefficients are in standard
deviations); what belongs to one frame is eliminated first (its Schur complement), so the cost grows
with the number of frames and no matrix is larger than 40.

One identity for the shot, and everything else depends on the points of its own frame alone: the
same numbers whatever frames come with it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..base import ModelInputError

Array = NDArray[np.float64]

_JAW: Final = slice(0, 17)
_NOISE: Final = 0.012
"""What a point is off [head units]: noise of the landmarks, and what 40 modes cannot follow."""

_EXPRESSION_SD: Final = 0.3
"""Of expression coefficients, which reach from 0 to 1."""
_FRAMES: Final = 4.0
"""How many independent looks a whole shot is worth: the faults of landmarks are the same ones in
every frame, so a long shot does not know a face better than that."""
_MOST_FRAMES: Final = 48
"""Frames from which an identity is found; more of them add nothing."""
_ROUNDS: Final = 8


def _weights(jaw: float, jaw_ends: float, brows: float, lids: float, mouth: float) -> Array:
    """Return weights (68,); the nose and the corners of the eyes have 1."""
    weights = np.ones(68)
    weights[:17], weights[[0, 1, 2, 14, 15, 16]] = jaw, jaw_ends
    weights[17:27], weights[48:] = brows, mouth
    weights[[37, 38, 40, 41, 43, 44, 46, 47]] = lids
    return weights


_POSE_WEIGHTS: Final = _weights(jaw=0.03, jaw_ends=0.3, brows=0.3, lids=0.5, mouth=0.045)
"""For the pose: a mouth drawn aside, which no expression of the model follows well, must not turn
the head. With all points alike the yaw of a grimacing clip followed an independent mesh at a
correlation of 0.95, so at 0.995."""
_SHAPE_WEIGHTS: Final = _weights(jaw=0.3, jaw_ends=0.3, brows=1.0, lids=1.0, mouth=1.0)
"""For shape and expression once the pose is known; nobody agrees where along the jaw points lie."""
_BAD: Final = 2.5
"""Frames whose points are off by so many times the median are believed less, by the square."""


@dataclass(frozen=True, slots=True)
class PointModel:
    """What of a head its points depend on: P points, the 68 first, then places of the contour."""

    neutral: Array
    """(P, 3) [head units]."""
    identity: Array
    """(I, P, 3)"""
    expression: Array
    """(E, P, 3)"""
    slides: NDArray[np.int64]
    """(17, C) for each point of the jaw the points where it may lie on a turned head."""

    def of_person(self, identity: Array) -> PointModel:
        """Return the model of one person (I,), without modes of identity."""
        own = self.neutral + np.tensordot(identity, self.identity[: len(identity)], 1)
        return PointModel(own, self.identity[:0], self.expression, self.slides)


@dataclass(frozen=True, slots=True)
class HeadFit:
    """A head in T frames: `points = scale · rotation[:2] · shape + shift`."""

    scale: Array
    """(T,) [px per head unit]."""
    rotation: Array
    """(T, 3, 3) from the head's axes to the picture's: x right, y down, z towards the camera."""
    shift: Array
    """(T, 2) [px]: where the neck's axis at the height of the eyes lies."""
    identity: Array
    """(I,) [standard deviations], of all frames."""
    expression: Array
    """(T, E) about 0–1."""
    error: Array
    """(T,) root mean square distance of the points from the fitted ones [head units], weighted."""

    def __len__(self) -> int:
        return len(self.scale)

    @property
    def angles_deg(self) -> Array:
        """(T, 3) yaw, pitch, roll [deg], signs as in the program's `head_pose`: positive yaw turns
        the nose to the picture's right, positive pitch lowers it, positive roll is clockwise."""
        row, other, third = self.rotation[:, 0], self.rotation[:, 1], self.rotation[:, 2]
        yaw = np.arctan2(row[:, 2], np.hypot(row[:, 0], other[:, 0]))
        pitch = np.arctan2(other[:, 2], third[:, 2])
        roll = np.arctan2(other[:, 0], row[:, 0])
        return np.asarray(np.degrees(np.stack([yaw, pitch, roll], -1)))


def fit_head(
    points: NDArray[np.floating],
    weights: NDArray[np.floating] | None,
    model: PointModel,
    *,
    modes: int = 40,
    sliding: bool = False,
) -> HeadFit:
    """Fit one head to the points of a shot.

    Args:
        points: (T, 68, 2) [px], square pixels.
        weights: (T,) 0–1, how much each frame is believed; None: all alike. Frames of weight 0
            are fitted, but say nothing of the identity.
        model: of a `Head`.
        modes: how many modes of identity are used.
        sliding: the jaw's points lie on the visible contour (as FAN's do), not on the same spot
            of the head at every turn (as those of the program's own network).

    Raises:
        ModelInputError: points or weights of another shape, not finite, or no frame to go by.
    """
    identity = fit_identity(points, weights, model, modes=modes, sliding=sliding)
    return fit_pose(points, identity, model, sliding=sliding)


def fit_identity(
    points: NDArray[np.floating],
    weights: NDArray[np.floating] | None,
    model: PointModel,
    *,
    modes: int = 40,
    sliding: bool = False,
) -> Array:
    """Return the identity (I,) of a shot; arguments as in `fit_head`."""
    seen = _checked(points)
    believed = np.ones(len(seen)) if weights is None else np.asarray(weights, np.float64)
    if believed.shape != (len(seen),) or not (believed > 0).any():
        raise ModelInputError(
            f"a head needs weights ({len(seen)},), some above 0; got {believed.shape}, "
            f"the largest {believed.max(initial=0.0)}"
        )
    chosen = _spread(np.flatnonzero(believed > 0))
    seen, believed = seen[chosen], believed[chosen]
    identity = np.zeros(min(modes, len(model.identity)))
    state = _first_state(seen, model)
    for last in (*[False] * _ROUNDS, True):
        weight = _SHAPE_WEIGHTS if last else _POSE_WEIGHTS
        system = _System.of(seen, state, identity, model, sliding, weight)
        if last:
            system = system.of_held_pose()
        trust = believed * _trusted(system.error)
        trust *= min(_FRAMES, float((trust > 0).sum())) / trust.sum()
        step = _identity_step(system, trust, identity)
        state = state.moved(system.answer(step))
        identity = identity + step
    return identity


def fit_pose(
    points: NDArray[np.floating], identity: Array, model: PointModel, *, sliding: bool = False
) -> HeadFit:
    """Return pose and expression of every frame, by its own points and a known identity (I,).

    Raises:
        ModelInputError: points of another shape, or not finite.
    """
    seen = _checked(points)
    person, nothing = model.of_person(identity), np.zeros(0)
    state = _first_state(seen, person)
    for _ in range(_ROUNDS):
        system = _System.of(seen, state, nothing, person, sliding)
        state = state.moved(system.answer(nothing))
    system = _System.of(seen, state, nothing, person, sliding, _SHAPE_WEIGHTS).of_held_pose()
    state = state.moved(system.answer(nothing))
    error = _System.of(seen, state, nothing, person, sliding, _SHAPE_WEIGHTS).error
    whole = np.zeros(len(model.identity))
    whole[: len(identity)] = identity
    return HeadFit(state.scale, state.rotation, state.shift, whole, state.expression, error)


def _checked(points: NDArray[np.floating]) -> Array:
    seen = np.asarray(points, np.float64)
    if seen.ndim != 3 or seen.shape[1:] != (68, 2) or not len(seen):
        raise ModelInputError(f"a head is fitted to points (T, 68, 2), got {seen.shape}")
    if not np.isfinite(seen).all():
        raise ModelInputError("a head is fitted to finite points; leave frames without a face out")
    return seen


def _spread(frames: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return at most `_MOST_FRAMES` of some frames, evenly over the shot."""
    if len(frames) <= _MOST_FRAMES:
        return frames
    return np.asarray(frames[np.linspace(0, len(frames) - 1, _MOST_FRAMES).round().astype(int)])


def _trusted(error: Array) -> Array:
    """Return how much each frame (T,) is believed, by how far its points are off."""
    limit = _BAD * float(np.median(error))
    return np.asarray(np.minimum(1.0, limit / np.maximum(error, 1e-9)) ** 2)


@dataclass(frozen=True, slots=True)
class _State:
    """What belongs to each of T frames."""

    scale: Array
    rotation: Array
    shift: Array
    expression: Array

    def moved(self, step: Array) -> _State:
        """Return the state after steps (T, 6 + E): turn (3), log scale, shift (2), expression."""
        return _State(
            self.scale * np.exp(np.clip(step[:, 3], -0.5, 0.5)),
            _turns(step[:, :3]) @ self.rotation,
            self.shift + step[:, 4:6] * self.scale[:, None],
            self.expression + step[:, 6:],
        )


def _turns(vectors: Array) -> Array:
    """Return rotations (T, 3, 3) of vectors (T, 3) [rad], after Rodrigues; at most 0.5 rad."""
    angle = np.linalg.norm(vectors, axis=-1)[:, None, None]
    cross = np.zeros((len(vectors), 3, 3))
    cross[:, 0, 1], cross[:, 0, 2], cross[:, 1, 2] = -vectors[:, 2], vectors[:, 1], -vectors[:, 0]
    cross -= cross.swapaxes(1, 2)
    unit = cross / np.maximum(angle, 1e-12)
    angle = np.minimum(angle, 0.5)
    return np.asarray(np.eye(3) + np.sin(angle) * unit + (1 - np.cos(angle)) * (unit @ unit))


def _first_state(seen: Array, model: PointModel) -> _State:
    """Return poses of the mean head: an affine camera by least squares, its rows made orthonormal.

    The jaw, which opens, takes no part.
    """
    mean = model.neutral[17:68]
    centre, middle = mean.mean(0), seen[:, 17:].mean(1)
    camera = np.einsum("jp,tpc->tcj", np.linalg.pinv(mean - centre), seen[:, 17:] - middle[:, None])
    u, sizes, vt = np.linalg.svd(camera, full_matrices=False)
    rows = u @ vt
    rotation = np.concatenate([rows, np.cross(rows[:, :1], rows[:, 1:2])], 1)
    scale = np.maximum(sizes.mean(1), 1e-9)
    shift = middle - scale[:, None] * np.einsum("tij,j->ti", rows, centre)
    return _State(scale, rotation, shift, np.zeros((len(seen), len(model.expression))))


@dataclass(frozen=True, slots=True)
class _System:
    """The normal equations of T frames about a state: own unknowns x (6 + E), shared ones y (I)."""

    own: Array
    """(T, X, X), ridge included."""
    own_right: Array
    """(T, X)"""
    mixed: Array
    """(T, X, I)"""
    shared: Array
    """(T, I, I), (T, I): without a ridge."""
    shared_right: Array
    error: Array
    """(T,) [head units]."""

    @staticmethod
    def of(
        seen: Array,
        state: _State,
        identity: Array,
        model: PointModel,
        sliding: bool,
        weight: Array = _POSE_WEIGHTS,
    ) -> _System:
        """Return the equations of points (T, 68, 2) of weights (68,) about a state."""
        turned, modes, shapes = _placed(state, identity, model, sliding)
        left = (seen - state.shift[:, None]) / state.scale[:, None, None] - turned[..., :2]
        error = np.sqrt((weight * (left**2).sum(-1)).sum(-1) / weight.sum())
        strength = np.repeat(np.sqrt(weight), 2) / _NOISE
        own = np.concatenate([_rigid(turned), shapes], -1) * strength[:, None]
        modes = modes * strength[:, None]
        right = left.reshape(len(seen), -1) * strength
        ridge = np.zeros(own.shape[-1])
        ridge[6:] = _EXPRESSION_SD**-2
        own_t, modes_t = own.swapaxes(1, 2), modes.swapaxes(1, 2)
        expression = np.pad(state.expression, ((0, 0), (6, 0)))
        return _System(
            own=own_t @ own + np.diag(ridge + 1e-9),
            own_right=np.einsum("txr,tr->tx", own_t, right) - ridge * expression,
            mixed=own_t @ modes,
            shared=modes_t @ modes,
            shared_right=np.einsum("tir,tr->ti", modes_t, right),
            error=error,
        )

    def of_held_pose(self) -> _System:
        """Return the equations in which only expressions and the shared unknowns may move."""
        still = np.arange(6)
        own, own_right, mixed = self.own.copy(), self.own_right.copy(), self.mixed.copy()
        own[:, still], own[:, :, still], own_right[:, still], mixed[:, still] = 0, 0, 0, 0
        own[:, still, still] = 1
        return replace(self, own=own, own_right=own_right, mixed=mixed)

    def answer(self, step: Array) -> Array:
        """Return the own steps (T, X) that go with a step of the shared unknowns (I,)."""
        right = self.own_right - self.mixed @ step
        return np.asarray(np.linalg.solve(self.own, right[..., None])[..., 0])


def _identity_step(system: _System, trust: Array, identity: Array) -> Array:
    """Return the step (I,) of the shared unknowns, the frames' own ones eliminated."""
    both = np.concatenate([system.mixed, system.own_right[..., None]], -1)
    solved = np.linalg.solve(system.own, both)
    mixed_t = system.mixed.swapaxes(1, 2)
    matrix = system.shared - mixed_t @ solved[..., :-1]
    right = system.shared_right - (mixed_t @ solved[..., -1:])[..., 0]
    normal = np.einsum("t,tij->ij", trust, matrix) + np.eye(len(identity))
    return np.asarray(np.linalg.solve(normal, trust @ right - identity))


def _rigid(turned: Array) -> Array:
    """Return how points (T, 68, 3) [head units] answer to turn, log scale and shift: (T, 136, 6).

    A small turn v moves a point p by v × p.
    """
    x, y, z = turned[..., 0], turned[..., 1], turned[..., 2]
    zero, one = np.zeros_like(x), np.ones_like(x)
    rows = np.stack([zero, z, -y, x, one, zero, -z, zero, x, y, zero, one], -1)
    return np.asarray(rows.reshape(len(turned), -1, 6))


def _placed(
    state: _State, identity: Array, model: PointModel, sliding: bool
) -> tuple[Array, Array, Array]:
    """Return the 68 points (T, 68, 3) turned [head units], and what modes of identity (T, 136, I)
    and expressions (T, 136, E) move in the picture."""
    modes = model.identity[: len(identity)]
    still = model.neutral + np.tensordot(identity, modes, 1)
    shape = still + np.tensordot(state.expression, model.expression, 1)
    turned = shape @ state.rotation.swapaxes(1, 2)
    count = len(turned)
    chosen = np.tile(np.arange(68), (count, 1))
    if sliding:
        chosen[:, _JAW] = _contour(turned, model.slides)
    frames = np.arange(count)[:, None]
    rows = state.rotation[:, :2]
    moves = []
    for basis in (modes, model.expression):
        picked = basis[:, chosen]  # (B, T, 68, 3)
        moves.append(np.einsum("tcj,btpj->tpcb", rows, picked).reshape(count, 136, -1))
    return turned[frames, chosen], moves[0], moves[1]


def _contour(turned: Array, slides: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each jaw point of T frames (T, 17) the place that lies farthest out."""
    middle = turned[:, 27:68, :2].mean(1)[:, None, None]
    own = turned[:, :17, :2][:, :, None] - middle
    outwards = own / np.linalg.norm(own, axis=-1, keepdims=True)
    reach = ((turned[:, slides, :2] - middle) * outwards).sum(-1)  # (T, 17, C)
    best = reach.argmax(-1)
    return np.asarray(np.take_along_axis(slides[None], best[..., None], -1)[..., 0])
