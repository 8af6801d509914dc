"""Measure what `age` does to held-out faces: years, places of the landmarks, strength of the folds.

    python samples/measure_age.py DATA

DATA holds `pairs/` and `pairs_landmarks478.npz`: generated faces at levels 0, 1 and 2 of age, none
of which any network was trained on. Prints JSON:

* `years`: for strengths of `age`, by how many years the face is read to be older, by a ridge
  regression of rated ages on the portrait's codes (one standard deviation of the ratings is 15.0;
  raters answered in years). The same family of model makes a part of the edit, which flatters it.
  `monotone`: share of faces that are read as older at each step. `code_distance`: how far the rest
  of the code moves, a stand-in for identity [standard deviations, root mean square].
* `pairs`: level 0 is edited at strengths 0.5 and 1, and compared with level 2. `landmarks_left`:
  share of the error left of 68 points found in the pictures, after a similarity. `folds_left`:
  share of it left in how strong the shadows of folds are at each place of a face; `folds_gained`:
  by how much they grow, in units of the pairs' own growth. `texture_left`: share left of the error
  of log luma and log ratios of colour on skin, each less its mean, in the face's own frame.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run from a checkout

from models.evaluation import _error, _fitted, _found
from models.landmarks import LandmarkCascade
from models.portrait.data import FaceSet, read_level_pairs
from models.portrait_movers import load_movers
from pipeline.editors import Editor, Pack
from pipeline.editors._codes import ShotCodes
from pipeline.editors._skin import gathered, glances
from pipeline.edits import Catalogue
from pipeline.imaging import face_regions
from pipeline.imaging.detail import bands, log_luma
from pipeline.imaging.face_frame import WINDOW_SIDE, seen_in_frame
from pipeline.imaging.geometry import enlarged
from pipeline.imaging.hair import Hair, Sight, learnt
from pipeline.imaging.hair_place import PARSED_WIDER
from pipeline.imaging.skin_maps import ratios
from pipeline.loading import load_network, load_pack, load_parser
from pipeline.progress import Stopwatch
from pipeline.request import Edit
from pipeline.stages.edit import Step, apply, followed
from pipeline.types import AlignedBatch

YEARS_PER_SD = 15.0
"""Standard deviation of the rated ages of the 1,004 training faces [years]."""
STRENGTHS = (-2.0, -1.0, 1.0, 2.0)
SIDE = 256


class Hands:
    """A kit for editors outside of a session."""

    def __init__(self, pack: Pack) -> None:
        self.face_model, self.device, self.clock = pack, torch.device("cpu"), Stopwatch()

    def network(self, role: str) -> Any:
        """Return an embedded network."""
        return load_network(role, self.device).module

    def exemplar(self, *_: object) -> AlignedBatch:
        """No editor of ages takes one."""
        raise NotImplementedError


class Bench:
    """Edits single pictures as the program edits shots."""

    def __init__(self) -> None:
        self.pack = load_pack("portrait", torch.device("cpu"))
        self.catalogue = Catalogue(self.pack)
        self.parser = load_parser(torch.device("cpu"))
        self._editors: dict[str, Editor] = {}
        self._codes: list[ShotCodes] = []
        """All that were used: the editor of codes knows them by their identity."""

    def editor(self, name: str) -> Editor:
        """Return an editor, built once."""
        if name not in self._editors:
            self._editors[name] = self.catalogue.modules[name].build(Hands(self.pack))
        return self._editors[name]

    def crop(self, picture: Tensor, points: Tensor) -> AlignedBatch:
        """Return a picture (3, S, S) with its points (68, 2) as a crop with its parsing."""
        batch = AlignedBatch(
            images=picture[None],
            crop_to_frame=np.eye(3)[None],
            landmarks=points[None].float(),
            frame_index=np.zeros(1, np.int64),
            track_id=np.zeros(1, np.int64),
            weights=torch.ones(1),
        )
        parsed = self.parser(batch)
        return AlignedBatch(**{n: getattr(batch, n) for n in batch.__slots__} | {"parsing": parsed})

    def edited(self, batch: AlignedBatch, strength: float) -> Tensor:
        """Return the picture (3, S, S) at a strength of `age`."""
        steps: tuple[Step, ...] = ()
        for part in self.catalogue.parts_of(Edit("age", strength)):
            name = self.catalogue.editor_of(part.attribute)
            assert isinstance(part.strength, float)
            editor, known = self.editor(name), {0: self._prepared(name, batch)}
            assert isinstance(part.strength, float)
            step = Step(editor, (part,), (part.strength,), (frozenset(),), known)
            steps = followed(steps, step) if steps else (step,)
        return apply(steps, batch).whole().images[0]

    def _prepared(self, name: str, batch: AlignedBatch) -> Any:
        """Return what an editor prepares for a shot of one crop."""
        if name == "latent":
            codes = self.pack.model.encode(batch)
            self._codes.append(ShotCodes(codes.w[0], codes.state, first_frame=0))
            return self._codes[-1]
        if name == "hair-colour":
            larger = enlarged(batch.landmarks, PARSED_WIDER)
            wide = self.parser(dataclasses.replace(batch, landmarks=larger))
            sight = Sight.of(batch, wide, 0)
            return Hair.of(learnt([sight] if sight is not None else []))
        if name == "retouch":
            look = gathered(glances(batch))[0]
            return self.editor(name).opened(None, look)  # type: ignore[arg-type]
        return None


def folds(picture: Tensor, points: Tensor) -> Tensor:
    """Return how strong the shadows of folds are at every place of a face (R,) [log luma]."""
    skin = face_regions.open_skin(SIDE)[None, None]
    luma = log_luma(seen_in_frame(picture[None], points[None], SIDE))
    shadow = bands(luma, skin, SIDE / WINDOW_SIDE).fold.clamp(-0.3, 0)
    places = [face_regions.place(n, SIDE) * skin[0, 0] for n in get_args(face_regions.Place)]
    return torch.stack([-(shadow[0, 0] * p).sum() / p.sum() for p in places])


def texture(picture: Tensor, points: Tensor) -> Tensor:
    """Return log luma and twice the log ratios of a face in its own frame, means taken out, of
    what is skin, (3, M, M)."""
    skin = face_regions.open_skin(SIDE // 2)
    seen = seen_in_frame(picture[None], points[None], SIDE // 2)
    values = torch.cat([log_luma(seen), 2 * ratios(seen)], 1)[0]
    return (values - (values * skin).sum((1, 2), keepdim=True) / skin.sum()) * skin


@torch.inference_mode()
def years(bench: Bench, faces: FaceSet) -> dict[str, object]:
    """Return what strengths of age do to faces."""
    level = load_movers().transformers["age"].level
    read: list[list[float]] = []
    moved: list[list[float]] = []
    for picture, points in faces.pictures():
        batch = bench.crop(picture, points)
        codes = []
        for strength in (0.0, *STRENGTHS):
            image = bench.edited(batch, strength) if strength else picture
            one = bench.crop(image, points)
            codes.append(bench.pack.model.encode(one).w[0, 0, : len(level) - 1])
        told = torch.stack(codes) @ level[:-1] * YEARS_PER_SD
        read.append((told[1:] - told[0]).tolist())
        axis = level[:-1] / level[:-1].norm()
        away = torch.stack(codes[1:]) - codes[0]
        moved.append((away - (away @ axis)[:, None] * axis).square().mean(1).sqrt().tolist())
    table = np.array(read)
    order = np.concatenate([table[:, :2], np.zeros((len(table), 1)), table[:, 2:]], 1)
    return {
        "strengths": STRENGTHS,
        "mean": table.mean(0).round(2).tolist(),
        "spread": table.std(0).round(2).tolist(),
        "monotone": (np.diff(order, axis=1) > 0).mean(0).round(3).tolist(),
        "code_distance": np.mean(moved, 0).round(3).tolist(),
    }


@torch.inference_mode()
def pairs(bench: Bench, low: FaceSet, high: FaceSet, strength: float) -> dict[str, float]:
    """Return what of the difference between two levels is left at a strength of age."""
    cascade = LandmarkCascade.load()
    lower, higher = list(low.pictures()), list(high.pictures())
    edited = [bench.edited(bench.crop(*face), strength) for face in lower]
    start = torch.stack([points for _, points in lower])
    goal = torch.stack([points for _, points in higher])
    found = _found(cascade, [p for p, _ in lower], start)
    made = _found(cascade, edited, start)
    wanted = _found(cascade, [p for p, _ in higher], goal)
    eyes = (start[:, 36] - start[:, 45]).norm(dim=1)
    errors = [_error(_fitted(points, wanted), wanted, eyes) for points in (found, made)]
    before, target = (torch.stack([folds(*f) for f in some]) for some in (lower, higher))
    after = torch.stack([folds(p, q) for p, (_, q) in zip(edited, lower, strict=True)])
    gaps = [(some - target).abs().mean() for some in (before, after)]
    looks = [
        torch.stack([texture(p, q) for p, q in zip(some, at, strict=True)])
        for some, at in (
            ([p for p, _ in lower], found),
            (edited, made),
            ([p for p, _ in higher], wanted),
        )
    ]
    off = [(some - looks[2]).square().mean((1, 2, 3)).sqrt().mean() for some in looks[:2]]
    return {
        "faces": float(len(lower)),
        "landmarks_left": round(float(errors[1].mean() / errors[0].mean()), 3),
        "landmarks_improved": round(float((errors[1] < errors[0]).float().mean()), 3),
        "folds_left": round(float(gaps[1] / gaps[0]), 3),
        "texture_left": round(float(off[1] / off[0]), 3),
        "folds_gained": round(float((after - before).mean() / (target - before).mean()), 3),
    }


def main(folder: Path) -> None:
    """Print the figures."""
    torch.set_num_threads(1)
    bench = Bench()
    low, high = read_level_pairs(folder, "age")
    figures: dict[str, object] = {"years": years(bench, low)}
    figures["pairs"] = {s: pairs(bench, low, high, s) for s in (0.5, 1.0)}
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
