"""Measure how much of the way between level pairs of age a shift of the landmarks can know.

    python samples/measure_age_pairs.py DATA

DATA holds `pairs/` and `pairs_landmarks478.npz`: generated faces at levels 0, 1 and 2 of age. All
figures are the share left of the error between level 0 and level 2: root mean square over the 68
mesh points, after a similarity, mean over the faces. Whatever is predicted for a face is learnt
from the other faces and their mirror images. Prints JSON:

* `noise`: what the mesh alone would leave, if the way from level to level were straight (by second
  differences over the three levels, so from above).
* `mean`: the mean shift of the other faces; `person`: a shift that depends on the face, by a ridge
  regression of its coefficients on the shape code and the reading of age of level 0; the best of
  some ridges, which flatters it. `learning`: the same after fewer faces.
* `mean_mouth_kept`, `person_mouth_kept`: the same without what parts the lips or smiles, as an edit
  of age must leave the mouth.
* `turn_known`, `mouth_and_turn_known`: the mean, and the turn of the head (and the mouth) fitted to
  the face's own level 2: no program knows them. They are no age.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run from a checkout

from models.evaluation import _error, _fitted
from models.ops.ridge import ridge
from models.portrait import PortraitModel, load_portrait
from models.portrait.data import FaceSet, read_level_pairs
from models.portrait.mouth import LOWER_LIP, UPPER_LIP
from models.portrait_movers import load_movers
from models.topology68 import FLIP_68

RIDGES = (30.0, 100.0, 300.0)
FEWER = (12, 24, 36)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Faces (N of them) at two levels, and as many mirror images after them."""

    low: Tensor
    """(N, 68, 2) px of level 0."""
    high: Tensor
    camera: Tensor
    """(N, 2, 3) px per head unit, of level 0."""
    moved: Tensor
    """(2N, K) by how much the coefficients of the shape differ."""
    told: Tensor
    """(2N, F) standardised: what is known of level 0."""

    def left(self, coefficients: Tensor, model: PortraitModel) -> float:
        """Return the share of the error left by a change of coefficients (N, K)."""
        movement = model.shape.displacement(coefficients)[:, :68]
        return self.left_by(movement @ self.camera.mT)

    def left_by(self, shift: Tensor) -> float:
        """Return the share of the error left by a shift (N, 68, 2) px."""
        eyes = (self.low[:, 36] - self.low[:, 45]).norm(dim=1)
        before, after = (
            _error(_fitted(points, self.high), self.high, eyes).mean()
            for points in (self.low, self.low + shift)
        )
        return round(float(after / before), 3)


def read_pairs(model: PortraitModel, folder: Path) -> Pairs:
    """Return the level pairs of age."""
    sides = [_points(faces) for faces in read_level_pairs(folder, "age")]
    fits = [model.shape.fit(torch.cat([points, _mirrored(points)])) for points in sides]
    count = len(sides[0])
    level = load_movers().transformers["age"].level[:-1]
    faces = read_level_pairs(folder, "age")[0].pictures()
    ages = torch.stack([model.encode(f[None], p[None])[0][0] @ level for f, p in faces]).repeat(2)
    told = torch.cat([fits[0].coefficients / model.shape.sigma, ages[:, None]], 1)
    return Pairs(
        low=sides[0],
        high=sides[1],
        camera=fits[0].camera[:count],
        moved=fits[1].coefficients - fits[0].coefficients,
        told=(told - told.mean(0)) / told.std(0),
    )


def _points(faces: FaceSet) -> Tensor:
    return faces.mesh[:, :68, :2] * 256


def _mirrored(points: Tensor) -> Tensor:
    flipped = points[:, list(FLIP_68)].clone()
    flipped[..., 0] = 256 - flipped[..., 0]
    return flipped


def predicted(pairs: Pairs, moved: Tensor, strength: float | None, most: int = 10**6) -> Tensor:
    """Return what the other faces say of each face's change of coefficients (N, K).

    `moved` (2N, K) are the changes to learn from, `strength` that of the ridge, None for their mean
    alone; of the other faces at most `most` count, drawn by a seed.
    """
    count = len(pairs.low)
    random = torch.Generator().manual_seed(0)
    rows = []
    for face in range(count):
        others = torch.cat([torch.arange(face), torch.arange(face + 1, count)])
        others = others[torch.randperm(count - 1, generator=random)[:most]]
        known = torch.cat([others, others + count])
        if strength is None:
            rows.append(moved[known].mean(0))
        else:
            slope, offset = ridge(pairs.told[known], moved[known], strength)
            rows.append(pairs.told[face] @ slope + offset)
    return torch.stack(rows)


def mouth_kept(model: PortraitModel, moved: Tensor) -> Tensor:
    """Return changes of coefficients (N, K) without the parting of the lips and the smile, taken
    back as faces have them (the mean of the model's Gaussian given both)."""
    basis, variance = model.shape.basis, model.shape.sigma.square()
    parting = (basis[:, list(LOWER_LIP), 1] - basis[:, list(UPPER_LIP), 1])[:, 1:4].mean(1)
    read = torch.stack([parting, model.smile_axis[:-1]])
    modes = read * variance
    shares = torch.linalg.solve(read @ modes.T, (moved @ read.T).T).T
    kept: Tensor = moved - shares @ modes
    return kept


def best(pairs: Pairs, moved: Tensor, model: PortraitModel, most: int = 10**6) -> float:
    """Return the least share left that a ridge of `RIDGES` reaches."""
    return min(pairs.left(predicted(pairs, moved, r, most), model) for r in RIDGES)


def known(pairs: Pairs, model: PortraitModel, modes: Callable[[int], list[Tensor]]) -> float:
    """Return the share left where each face's own level 2 says how much of some shifts, each
    (68, 2) px, and of the mean shift there is."""
    mean = model.shape.displacement(predicted(pairs, pairs.moved, None))[:, :68] @ pairs.camera.mT
    away = _fitted(pairs.high, pairs.low) - pairs.low
    shifts = []
    for face in range(len(pairs.low)):
        columns = torch.stack([*modes(face), mean[face]]).flatten(1).T
        share = torch.linalg.lstsq(columns, away[face].flatten()[:, None]).solution
        shifts.append((columns @ share).view(68, 2))
    return pairs.left_by(torch.stack(shifts))


def noise(folder: Path) -> float:
    """Return what the errors of the mesh leave, by second differences over three levels: if these
    were nothing but errors of each level by themselves, two levels differ by a third of their
    square."""
    low, high = (_points(faces) for faces in read_level_pairs(folder, "age"))
    middle = _points(read_level_pairs(folder, "age", levels=(1, 1))[0])
    bent = _fitted(low, middle) - 2 * middle + _fitted(high, middle)
    eyes = (low[:, 36] - low[:, 45]).norm(dim=1)
    apart = _error(_fitted(low, high), high, eyes).mean()
    return round(float((_error(bent, torch.zeros_like(bent), eyes) / 3**0.5).mean() / apart), 3)


@torch.inference_mode()
def figures(folder: Path) -> dict[str, object]:
    """Return the figures."""
    model = load_portrait()
    pairs = read_pairs(model, folder)
    kept = mouth_kept(model, pairs.moved)
    turns = model.shape.mean[:68] @ _turns().mT

    def turned(face: int) -> list[Tensor]:
        return list(turns @ pairs.camera[face].T)

    def mouthed(face: int) -> list[Tensor]:
        modes = model.shape.displacement(pairs.moved.mean(0)[None] - kept.mean(0))[0, :68]
        return [*turned(face), modes @ pairs.camera[face].T]

    return {
        "faces": len(pairs.low),
        "noise": noise(folder),
        "mean": pairs.left(predicted(pairs, pairs.moved, None), model),
        "person": best(pairs, pairs.moved, model),
        "learning": {most: best(pairs, pairs.moved, model, most) for most in FEWER},
        "mean_mouth_kept": pairs.left(predicted(pairs, kept, None), model),
        "person_mouth_kept": best(pairs, kept, model),
        "turn_known": known(pairs, model, turned),
        "mouth_and_turn_known": known(pairs, model, mouthed),
    }


def _turns() -> Tensor:
    """Return small turns about x and y, (2, 3, 3)."""
    turns = torch.zeros(2, 3, 3)
    turns[0, 1, 2] = turns[1, 0, 2] = -1
    turns[0, 2, 1] = turns[1, 2, 0] = 1
    return turns


def main(folder: Path) -> None:
    """Print the figures."""
    torch.set_num_threads(1)
    print(json.dumps(figures(folder), indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
