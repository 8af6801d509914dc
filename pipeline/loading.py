"""The seam: the only file that imports `models`, and where tensors meet the pipeline's types.

`models` is found beside this package wherever that is: `models` in a checkout, `visagist.models`
once installed.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .config import AnalyzeOptions
from .editors import Attribute, Pack
from .editors._base import Mover
from .errors import DeviceError, UsageError, WeightsError
from .stages.detect import (
    DetectOptions,
    EmbeddedFinder,
    FaceAlignmentFinder,
    FaceFinder,
    FileFinder,
)
from .types import AlignedBatch, Codes, EditedBatch

if TYPE_CHECKING:
    from models.latent_transformer import MoverPack
    from models.portrait import PortraitModel
    from models.weights import WeightCard


def _models(name: str) -> Any:
    """Return a module of `models` (untyped: its name is only known when the program runs)."""
    parent = __package__.rpartition(".")[0]
    return importlib.import_module(f"{parent}.models.{name}" if parent else f"models.{name}")


@contextmanager
def _weights_errors() -> Iterator[None]:
    """Turn what `models` raises about a weight file into the program's own error."""
    try:
        yield
    except _models("base").WeightsError as e:
        raise WeightsError(str(e)) from e


def load_finder(options: AnalyzeOptions, device: torch.device, *, rate: float) -> FaceFinder:
    """Return what finds faces and landmarks: the embedded network, face-alignment, or a file.

    Args:
        options: which, and how often a full detection runs.
        device: where the network runs.
        rate: frames per second of the clip.

    Raises:
        WeightsError: the weights are missing or damaged.
        UsageError: neither a known name nor a file.
        AnalysisError: the file holds no landmarks.
    """
    if options.landmarks == "embedded":
        card = _card("landmarks")
        with _weights_errors():
            cascade = _models("landmarks").LandmarkCascade.load(
                card.path, expected_sha256=card.sha256
            )
        every = max(1, round(options.detect_every_s * rate))
        return EmbeddedFinder(cascade.to(device), DetectOptions(every=every))
    if options.landmarks == "face-alignment":
        return FaceAlignmentFinder.load(str(device))
    path = Path(options.landmarks)
    if not path.is_file():
        raise UsageError(
            f"--landmarks {options.landmarks!r} is neither a known name nor a file; accepted: "
            "embedded, face-alignment, or the path of a landmark file"
        )
    return FileFinder.load(path, mesh_to_68=_models("topology68").MESH_TO_68)


def finder_hash(options: AnalyzeOptions) -> str:
    """Return the SHA-256 of the embedded landmark weights if they are what is used, else ''."""
    return _card("landmarks").sha256 if options.landmarks == "embedded" else ""


def load_pack(name: str, device: torch.device) -> Pack:
    """Return a pack: a latent model and what moves its codes.

    Raises:
        UsageError: there is no such pack.
        WeightsError: a weight file is missing, damaged, or not the one expected.
    """
    if name != "portrait":
        raise UsageError(f"unknown pack {name!r}; accepted: portrait")
    model_card, mover_card = _card("portrait"), _card("latent_transformer")
    with _weights_errors():
        model = _models("portrait").load_portrait(
            model_card.path, expected_sha256=model_card.sha256
        )
        movers = _models("latent_transformer").load_movers(
            mover_card.path, expected_sha256=mover_card.sha256
        )
    side = float(_models("portrait").CROP_SIDE)
    hashes = {f"{card.name}/{card.path.name}": card.sha256 for card in (model_card, mover_card)}
    return PortraitPack(name, PortraitLatentModel(model.to(device), side), movers, hashes, device)


def resolve_device(name: str) -> torch.device:
    """Return the device of that name.

    Raises:
        DeviceError: there is no such device; the program never falls back to another one.
    """
    try:
        device = torch.device(name)
    except RuntimeError as e:
        raise DeviceError(f"unknown device {name!r}; accepted: cpu, cuda, cuda:N") from e
    count = torch.cuda.device_count() if device.type == "cuda" else 1
    if device.type not in ("cpu", "cuda") or (device.index or 0) >= count:
        raise DeviceError(
            f"device {name!r} is not there ({torch.cuda.device_count()} CUDA devices found); use "
            "--device cpu, or see `visagist doctor`"
        )
    return device


def embedded_weights() -> list[dict[str, str]]:
    """Return one row per embedded weight file: name, use, licence, size, hash, source.

    Raises:
        WeightsError: a file is missing, damaged, or not the one expected.
    """
    weights = _models("weights")
    rows = []
    for card in weights.embedded().values():
        with _weights_errors():
            found = weights.sha256_of(card.path)
        if found != card.sha256:
            raise WeightsError(f"{card.path} has SHA-256 {found}, expected {card.sha256}")
        rows.append(
            {
                "name": card.name,
                "use": card.use,
                "licence": card.licence,
                "commercial use": "yes" if card.commercial else "no",
                "size": f"{card.path.stat().st_size / 1e6:.1f} MB",
                "sha256": card.sha256[:16],
                "source": card.source,
            }
        )
    return rows


def _card(name: str) -> WeightCard:
    card: WeightCard = _models("weights").embedded()[name]
    return card


class PortraitLatentModel:
    """The embedded appearance model, seen as a latent model of one layer (L = 1)."""

    def __init__(self, network: PortraitModel, crop_side: float) -> None:
        self.crop_side = crop_side
        self._network = network

    def encode(self, batch: AlignedBatch) -> Codes:
        """Return the codes of N crops."""
        w, state = self._network.encode(batch.images, batch.landmarks)
        return Codes(w=w[:, None], state=state)

    def reconstruct(self, codes: Codes) -> Tensor:
        """Return the shape-free faces of N codes, (N, 3, S, S) in [-1, 1]."""
        return self._network.reconstruct(codes.w[:, 0])

    def settle(self, state: Tensor, rate: float) -> Tensor:
        """Return the states (T, G) of a shot steadied over time; rate in frames per second."""
        settled: Tensor = _models("portrait").settled_states(state, rate)
        return settled

    def render(self, batch: AlignedBatch, before: Codes, after: Codes) -> EditedBatch:
        """Carry the difference between two codes into the crops."""
        images, masks = self._network.render(
            batch.images, batch.landmarks, before.w[:, 0], after.w[:, 0], before.state
        )
        return EditedBatch(batch, images, masks)


@dataclass(frozen=True, slots=True)
class PortraitPack:
    """The embedded pack: appearance model, latent transformers, directions."""

    name: str
    model: PortraitLatentModel
    _movers: MoverPack
    hashes: Mapping[str, str]
    _device: torch.device

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """What the pack can change."""
        return tuple(
            Attribute(a.name, a.summary, a.aliases, a.low, a.high, a.experimental)
            for a in self._movers.attributes
        )

    def mover(self, editor: str, attribute: str) -> Mover:
        """Return what moves codes along an attribute: `latent-transformer` or `direction`."""
        network = self._movers.mover(editor, attribute).to(self._device)

        def move(w: Tensor, strength: Tensor) -> Tensor:
            moved: Tensor = network(w[:, 0], strength)
            return moved[:, None]

        return move
