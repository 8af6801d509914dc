"""Tables 2 and 3 and Figure 6: faces found by drawing what is looked for (section 4.1.2).

Every test face is drawn anew in all seven poses and the drawing nearest to it kept, as the paper
does, so that queries and pool look alike. Pool and queries are made in pieces that are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..training.place import Place
from .dataset import Ints, Pairs
from .drawing import squared_error
from .identity import Aligned, Recogniser
from .parts import Parts
from .poses import standardised, train_poses
from .published import Published
from .retrieval import Faces, ranks, recalls, right, similarities, unit
from .views import YAWS, Views

Told = Callable[[str], None]
_QUERIES: Final = 500
"""In a piece."""


@dataclass(frozen=True, slots=True)
class Question:
    """Queries: a test face each, and the pose it is wanted in."""

    source: Faces
    wanted: Faces
    """The same face and light in the other pose."""
    in_pool: Ints
    """(Q,) where the source itself is in the pool."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Where pieces are kept, who is told how far it is, and where networks compute."""

    parts: Parts
    told: Told = lambda _: None
    place: Place = field(default_factory=Place)


class Retrieval:
    """The experiment over one turntable and one trained network."""

    def __init__(self, views: Views, network: Published, numbers: Tensor, kept: Kept) -> None:
        """Set the experiment up.

        Args:
            views: grey pictures.
            network: published, trained to rotate.
            numbers: (Q,) which test pairs of `rotate` are the queries.
            kept: where pieces are kept.
        """
        self.views, self._parts, self._told = views, kept.parts, kept.told
        self._place = kept.place
        # the stubs of torch know `memory_format` for tensors only
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._per_face = YAWS * len(views.lights)
        self.pool = _all_faces(views)
        self._numbers, self._pairs = numbers, Pairs(views, "rotate", "test")
        meant = self._pairs.meant(numbers)
        face = meant.rows - len(views.train)
        yaw, light = meant.source[1:]
        at = (face * YAWS + yaw) * len(views.lights) + light
        self.question = Question(Faces(face, yaw, light), Faces(face, meant.wanted, light), at)

    def rows(self, found: list[Recogniser], colour: Views | None) -> dict[str, Tensor]:
        """Return similarities' ranks by both criteria: row of the tables to (2, Q) int64.

        Args:
            found: recognisers, for two-step rows.
            colour: the same turntable in colour, which they look at; None: they are left out.
        """
        poses = self._poses()
        ours = {name: (self._asked(name), self._blocks(name)) for name in ("image", "features")}
        rows = {
            "2-step, image": self._row(partial(self._own, self._pixels), self._pixels, poses),
            "2-step, our 2nd network": self._row(
                partial(self._own, ours["features"][1]), ours["features"][1], poses
            ),
        }
        for recogniser in found if colour is not None else []:
            assert colour is not None
            blocks = self._described(recogniser, colour)
            rows[f"2-step, {recogniser.name}"] = self._row(
                partial(self._own, blocks), blocks, poses
            )
        rows["ours, image"] = self._row(*ours["image"])
        rows["ours, 2nd network"] = self._row(*ours["features"])
        return rows

    def pose_accuracy(self) -> float:
        """Return how many poses of test faces the classifier tells right [%]."""
        told = self._poses() == torch.from_numpy(self.pool.yaw)
        return round(100 * float(told.double().mean()), 2)

    def _row(
        self,
        asked: Callable[[slice], Tensor],
        blocks: Callable[[], Iterator[Tensor]],
        poses: Tensor | None = None,
    ) -> Tensor:
        found = []
        for part in self._slices():
            wanted = self.question.wanted.rows(part)
            similar = similarities(unit(asked(part)), blocks())
            allowed = None
            if poses is not None:
                allowed = poses == torch.from_numpy(wanted.yaw)[:, None]
            both = (right(wanted, self.pool, light_too=light) for light in (False, True))
            found.append(torch.stack([ranks(similar, correct, allowed) for correct in both]))
        return torch.cat(found, 1)

    def _slices(self) -> list[slice]:
        count = len(self._numbers)
        return [slice(k, min(k + _QUERIES, count)) for k in range(0, count, _QUERIES)]

    def _asked(self, name: str) -> Callable[[slice], Tensor]:
        """Return what gives drawings, or their features, of the queries of a piece."""

        def asked(part: slice) -> Tensor:
            piece = self._parts.get(f"query-{part.start:05d}", partial(self._query, part))
            return torch.from_numpy(np.array(piece[name]))

        return asked

    def _query(self, part: slice) -> dict[str, NDArray[Any]]:
        self._told(f"queries from {part.start}")
        batch = self._pairs.batch(self._numbers[part])
        made = [
            self._drawn(*pair)
            for pair in zip(
                torch.split(batch.source, 64), torch.split(batch.one_hot, 64), strict=True
            )
        ]
        return _arrays(torch.cat([m[0] for m in made]), torch.cat([m[1] for m in made]))

    def _blocks(self, name: str) -> Callable[[], Iterator[Tensor]]:
        """Return what yields drawings, or their features, of the pool, person by person."""

        def blocks() -> Iterator[Tensor]:
            for face in range(len(self.views.test)):
                piece = self._parts.get(f"pool-{face:04d}", partial(self._drawn_anew, face))
                yield torch.from_numpy(np.array(piece[name]))

        return blocks

    def _drawn_anew(self, face: int) -> dict[str, NDArray[Any]]:
        """Return drawings of one person's pictures, each in the pose that comes nearest to it."""
        self._told(f"pool: face {face + 1} of {len(self.views.test)}")
        levels = self._levels(face)
        images, features = [], []
        for some in torch.split(levels, 10):
            poses = torch.eye(YAWS).repeat(len(some), 1)
            image, feature = self._drawn(some.repeat_interleave(YAWS, 0), poses)
            apart = squared_error(image, some.repeat_interleave(YAWS, 0)).view(-1, YAWS)
            best = apart.argmin(1) + torch.arange(len(some)) * YAWS
            images.append(image[best])
            features.append(feature[best])
        return _arrays(torch.cat(images), torch.cat(features))

    def _drawn(self, levels: Tensor, one_hot: Tensor) -> tuple[Tensor, Tensor]:
        """Return the second stage's drawings (N, 1, 32, 32), grey levels, and its middle maps."""
        network = self.network
        with torch.inference_mode(), self._place.autocast():
            source = network.standardised(levels)
            first = network.first(source, one_hot)
            features = network.second.features(source, first)
            return network.levels(network.second.decoder(features)), features

    def _levels(self, face: int) -> Tensor:
        """Return a test person's pictures (7 · L, 1, 32, 32) uint8."""
        views = self.views.views[len(self.views.train) + face]
        return torch.from_numpy(views.reshape(-1, 1, *views.shape[2:]).copy())

    def _pixels(self) -> Iterator[Tensor]:
        return (self._levels(face) for face in range(len(self.views.test)))

    def _own(self, blocks: Callable[[], Iterator[Tensor]], part: slice) -> Tensor:
        """Return what stands in the pool for the sources of some queries."""
        at = self.question.in_pool[part]
        rows: dict[int, Tensor] = {}
        for face, block in enumerate(blocks()):
            for query in np.flatnonzero(at // self._per_face == face):
                rows[int(query)] = block[int(at[query] % self._per_face)]
        return torch.stack([rows[query] for query in range(len(at))])

    def _described(self, recogniser: Recogniser, colour: Views) -> Callable[[], Iterator[Tensor]]:
        """Return what yields a recogniser's descriptions of the pool, person by person."""
        aligned = Aligned(colour)

        def described(face: int) -> Mapping[str, NDArray[Any]]:
            self._told(f"{recogniser.name}: face {face + 1} of {len(colour.test)}")
            views = colour.views[len(colour.train) + face]
            levels = torch.from_numpy(views.reshape(-1, *views.shape[2:]).copy())
            levels = levels.permute(0, 3, 1, 2)
            found = [recogniser.described(aligned(some)) for some in torch.split(levels, 16)]
            return {"vectors": torch.cat(found).numpy()}

        def blocks() -> Iterator[Tensor]:
            name = recogniser.name.replace(" ", "-").lower()
            for face in range(len(colour.test)):
                piece = self._parts.get(f"{name}-{face:04d}", partial(described, face))
                yield torch.from_numpy(np.array(piece["vectors"]))

        return blocks

    def _poses(self) -> Tensor:
        """Return which pose the classifier sees on every face of the pool, (P,)."""

        def made() -> dict[str, NDArray[Any]]:
            self._told("learning to tell poses")
            net = train_poses(self.views, seed=0)
            with torch.inference_mode():
                told = [net(standardised(levels)).argmax(1) for levels in self._pixels()]
            return {"poses": torch.cat(told).numpy()}

        return torch.from_numpy(np.array(self._parts.get("poses", made)["poses"]))


def by_turn(rank: Tensor, question: Question) -> dict[str, float]:
    """Return R@5 [%] by the size of the turn in steps of pose, 1 to 6: Figure 6."""
    turn = torch.from_numpy(abs(question.wanted.yaw - question.source.yaw))
    groups = {str(k): rank[turn == k] for k in range(1, YAWS)}
    return {k: recalls(group)["R@5"] for k, group in groups.items() if len(group)}


def _all_faces(views: Views) -> Faces:
    """Return the pool in its order: person by person, pose by pose, light by light."""
    shape = (len(views.test), YAWS, len(views.lights))
    return Faces(*(axis.reshape(-1) for axis in np.indices(shape)))


def _arrays(image: Tensor, features: Tensor) -> dict[str, NDArray[Any]]:
    half = np.float16
    return {
        "image": image.float().numpy().astype(half),
        "features": features.float().numpy().astype(half),
    }


def summed_up(rows: Mapping[str, Tensor], criterion: int) -> dict[str, dict[str, float]]:
    """Return a table: recalls by row, by the first (0) or the second criterion (1)."""
    return {name: recalls(rank[criterion]) for name, rank in rows.items()}
