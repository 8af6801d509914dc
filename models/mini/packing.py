"""From trained `mini` networks to a pack: files, codes to train movers on, figures.

The steps of the recipe, in order (`python -m models.mini`): `train` makes the networks, `export`
writes them with the codes of all faces, `python -m models.latent_transformer` trains classifier and
movers on these codes, `pack` writes `pack.toml` and `measures.json`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from ..attributes import Attribute
from ..base import ModelError, command
from ..encoders.small import SmallEncoder
from ..latent_transformer.files import load_classifier, load_mover
from ..packs.opening import StylePack, open_pack
from ..packs.packfile import (
    ClassifierEntry,
    EncoderEntry,
    GeneratorEntry,
    MoverEntry,
    PackFile,
    write_pack_file,
)
from ..stylegan2.generator_id import generator_id
from ..stylegan2.net import Generator
from ..training.codes import LabelledCodes, write_codes
from ..weights import load_safetensors, save_safetensors, sha256_of
from .augment import resized, turned
from .baselines import baseline_entries
from .data import MiniData, Pictures
from .measure import PictureReader, fit_reader, psnr, ssim

LICENCE: Final = "CC BY-NC-SA 4.0"
SOURCE: Final = (
    "trained for this project on One Million Impressions (Peterson et al., PNAS 2022); "
    "see mini/CARD.md"
)

LABELS: Final = (
    "happy",
    "age",
    "gender",
    "weight",
    "skin-color",
    "hair-color",
    "long-haired",
    "asian",
    "black",
)
"""Ratings the classifier reads; `turned` (sideways, measured from the points) is added."""

JUDGED: Final = ("happy", "age", "gender", "weight")
"""Ratings the picture reader judges edits by."""

ATTRIBUTES: Final = (
    Attribute(
        "smile",
        "mouth a little wider, corners a little raised: half of what the pack portrait does, and "
        "often lopsided",
        ("smiling", "happy"),
        low=-1.5,
        experimental=True,
    ),
    Attribute("age", "older: folds, thinner lips, heavier lids", ("old", "older")),
    Attribute("gender", "more masculine: brows, jaw, beard shadow", ("masculine", "male")),
)
RATED: Final = {"smile": "happy", "age": "age", "gender": "gender"}
"""By attribute, the rating that stands for it."""

GENERATOR_FILE, ENCODER_FILE = "generator.safetensors", "encoder.safetensors"
CLASSIFIER_FILE: Final = "classifier.safetensors"
CODES_FILE: Final = "codes.npz"

_BATCH = 50
_STRENGTHS = (-2.0, -1.0, 1.0, 2.0)


def export(
    generator: Generator, encoder: SmallEncoder, data: MiniData, folder: Path, codes: Path
) -> None:
    """Write generator and encoder in float16 into `folder`, and the codes of all faces to `codes`.

    The codes are those of the written (rounded) networks: faces to learn from, then these
    mirrored, then the faces held out, then these mirrored.
    """
    folder.mkdir(parents=True, exist_ok=True)
    images = resized(data.train.images, encoder.size)
    mean = _in_batches(encoder, images).mean(dim=0)
    state = {key: value.clone() for key, value in encoder.state_dict().items()}
    # The encoder gives offsets from the mean code, as pSp does.
    state["rows.bias"] -= mean.flatten()
    note = {"licence": LICENCE, "source": SOURCE}
    for file, tensors in (
        (GENERATOR_FILE, generator.state_dict()),
        (ENCODER_FILE, {**state, "latent_avg": mean}),
    ):
        save_safetensors(folder / file, {k: v.half() for k, v in tensors.items()}, note)
    write_pack_file(_facts(folder, generator.size, encoder.size), folder)
    _write_codes(open_pack(folder), data, codes)


def pack(data: MiniData, folder: Path) -> dict[str, object]:
    """Write `pack.toml` of a folder with networks, classifier and movers; return the figures.

    Raises:
        ModelError: a mover or the classifier is missing, or is not of these networks.
    """
    plain = open_pack(folder)
    for name in (CLASSIFIER_FILE, *(f"{mover}.safetensors" for mover in RATED)):
        if not (folder / name).is_file():
            raise ModelError(
                f"{folder / name} is missing; train it with `{command('latent_transformer')}` on "
                f"the codes that `{command('mini')} export` wrote"
            )
    _, labels = load_classifier(folder / CLASSIFIER_FILE)
    assert plain.facts.encoder is not None
    movers = tuple(_mover_entry(folder, name) for name in RATED)
    facts = replace(
        _facts(folder, plain.size, plain.encoder_size),
        summary="small StyleGAN2 for faces, 128 px, made for delta transfer",
        attributes=ATTRIBUTES,
        movers=(*movers, *(b for mover in movers for b in baseline_entries(folder, mover))),
        classifier=ClassifierEntry(
            CLASSIFIER_FILE, sha256=sha256_of(folder / CLASSIFIER_FILE), labels=labels
        ),
    )
    write_pack_file(facts, folder)
    return measure(open_pack(folder), data)


def measure(pack: StylePack, data: MiniData) -> dict[str, object]:
    """Return how well a pack gives pictures back and what its edits change, on faces held out.

    `reconstruction`: mean absolute error, PSNR and SSIM, of the faces learnt from and held out.
    `reader`: how well the reader of pictures reads ratings, from the pictures and from their
    reconstructions; what it reads per SD of the rating in a reconstruction says how large a change
    of one SD can look there.
    `edits`: per mover and strength, the mean change of each rating [SD] that a reader of pictures
    sees between the unedited and the edited reconstruction; the reader is fitted on the faces
    learnt from, the faces it judges are those held out.
    """
    side = pack.encoder_size
    sets = {"learnt": data.train, "held_out": data.held, "held_out_levels": data.levels_held}
    pictures = {name: resized(some.images, side) for name, some in sets.items()}
    columns = [data.attributes.index(name) for name in JUDGED]
    reader = fit_reader(pictures["learnt"], data.ratings[:, columns], JUDGED)
    held = pictures["held_out"]
    rated = data.ratings_held[:, columns]
    codes = _in_batches(pack.encode, held)
    seen = (reader.read(held), reader.read(_in_batches(pack.generate, codes)))
    return {
        "reconstruction": {name: _closeness(pack, some) for name, some in pictures.items()},
        "reader": {
            name: _readings(seen[0][:, i], seen[1][:, i], rated[:, i])
            for i, name in enumerate(JUDGED)
        },
        "edits": {name: _changes(pack, name, codes, reader) for name in RATED},
    }


def _readings(read: Tensor, read_again: Tensor, rated: Tensor) -> dict[str, float]:
    """Return correlations with the ratings (N,), and the reading per SD of the rating."""
    spread = torch.cov(torch.stack([rated, read, read_again]))
    sizes = spread.diagonal().sqrt()
    return {
        "correlation": float(spread[0, 1] / (sizes[0] * sizes[1])),
        "correlation_reconstructed": float(spread[0, 2] / (sizes[0] * sizes[2])),
        "per_sd_reconstructed": float(spread[0, 2] / spread[0, 0]),
    }


def _changes(
    pack: StylePack, name: str, codes: Tensor, reader: PictureReader
) -> dict[str, dict[str, float]]:
    mover = pack.mover("latent-transformer", name)
    before = reader.read(_in_batches(pack.generate, codes))
    out = {}
    for strength in _STRENGTHS:
        moved = mover(codes, torch.full((len(codes),), strength))
        change = (reader.read(_in_batches(pack.generate, moved)) - before).mean(0)
        out[f"{strength:+g}"] = dict(zip(reader.names, change.tolist(), strict=True))
    return out


def _closeness(pack: StylePack, images: Tensor) -> dict[str, float]:
    found = _in_batches(lambda x: pack.generate(pack.encode(x)), images)
    side = images.shape[-1]
    # The face itself: FFHQ alignment puts it here.
    face = (
        slice(None),
        slice(None),
        slice(side // 4, side),
        slice(3 * side // 16, 13 * side // 16),
    )
    return {
        "mean_absolute_error": float((found.clamp(-1, 1) - images).abs().mean() / 2),
        "face_mean_absolute_error": float((found.clamp(-1, 1) - images)[face].abs().mean() / 2),
        "psnr_db": float(psnr(found, images).mean()),
        "ssim": float(ssim(found, images).mean()),
        "face_ssim": float(ssim(found[face], images[face]).mean()),
    }


def _write_codes(pack: StylePack, data: MiniData, path: Path) -> None:
    rows, labels, faces = [], [], []
    columns = [data.attributes.index(name) for name in LABELS]
    for some, ratings in ((data.train, data.ratings), (data.held, data.ratings_held)):
        images = resized(some.images, pack.encoder_size)
        rows += [_in_batches(pack.encode, images), _in_batches(pack.encode, images.flip(-1))]
        labels += [_labels(some, ratings[:, columns], 1), _labels(some, ratings[:, columns], -1)]
        faces += [*some.names, *(f"mirrored/{name}" for name in some.names)]
    w, table = torch.cat(rows), torch.cat(labels)
    write_codes(path, LabelledCodes(w, table, (*LABELS, "turned"), tuple(faces)))


def _labels(faces: Pictures, ratings: Tensor, sign: int) -> Tensor:
    return torch.cat([ratings, sign * turned(faces.points)[:, None]], dim=1)


@torch.no_grad()
def _in_batches(what: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
    return torch.cat([what(part) for part in torch.split(rows, _BATCH)])


def _facts(folder: Path, generator_size: int, encoder_size: int) -> PackFile:
    """Return what `pack.toml` says of the networks alone."""
    state, _ = load_safetensors(folder / GENERATOR_FILE)
    return PackFile(
        name="mini",
        licence=LICENCE,
        commercial=False,
        generator=GeneratorEntry(
            GENERATOR_FILE,
            size=generator_size,
            sha256=sha256_of(folder / GENERATOR_FILE),
            id=generator_id(state),
        ),
        encoder=EncoderEntry(
            ENCODER_FILE,
            kind="small",
            sha256=sha256_of(folder / ENCODER_FILE),
            size=encoder_size,
        ),
        source=SOURCE,
    )


def _mover_entry(folder: Path, name: str) -> MoverEntry:
    mover, _ = load_mover(folder / f"{name}.safetensors")
    return MoverEntry(
        "latent-transformer",
        name,
        f"{name}.safetensors",
        sha256=sha256_of(folder / f"{name}.safetensors"),
        layers=mover.layers,
        unit=mover.unit,
    )
