"""What a session hands to an editor: networks by role, exemplars, the device."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .editors import FACE_MODEL, PARSING, EditorSpec, Pack
from .loading import Network, load_network
from .passes.crops import Crops
from .progress import Stopwatch
from .reference import Exemplars
from .types import FaceState, FaceTrack

if TYPE_CHECKING:
    from torch import nn

    from .request import Edit
    from .types import AlignedBatch, CropRule


class SessionKit:
    """What one editor of a session is built with; see `editors.Kit`."""

    def __init__(
        self,
        spec: EditorSpec,
        pack: Pack,
        crops: Crops,
        exemplars: Exemplars,
        clock: Stopwatch,
    ) -> None:
        self.device, self.clock = crops.device, clock
        self._spec, self._pack, self._crops = spec, pack, crops
        self._exemplars = exemplars
        self._networks: dict[str, Network] = {}
        for role in sorted(spec.needs - {FACE_MODEL, PARSING}):
            self._networks[role] = load_network(role, self.device)

    @property
    def face_model(self) -> Pack:
        """The pack."""
        self._check(FACE_MODEL)
        return self._pack

    def network(self, role: str) -> nn.Module:
        """Return a network that the spec needs, ready to be called on the device."""
        self._check(role)
        return self._networks[role].module

    def exemplar(self, edit: Edit, crop: CropRule) -> AlignedBatch:
        """Return the crop (N = 1) of the face that an edit takes something from, on the device."""
        assert edit.exemplar is not None, "resolve_edits lets no edit through without its exemplar"
        frame, points, aspect = self._exemplars.face(edit.exemplar)
        one = np.ones(1, np.float32)
        track = FaceTrack(
            0, 0, frame.index, points[None], np.full(1, FaceState.DETECTED, np.uint8), one, one
        )
        crops = self._crops.by(crop).at(aspect, frame.index + 1)
        (batch,) = crops.cutter([track])([frame])[1]
        return self._crops.parsed(batch.to(self.device))

    @property
    def hashes(self) -> dict[str, object]:
        """What tells the editor's networks from all others (JSON values)."""
        hashes: dict[str, object] = {role: n.sha256 for role, n in self._networks.items()}
        if FACE_MODEL in self._spec.needs:
            pack = self._pack
            hashes[FACE_MODEL] = [pack.name, dict(pack.settings), dict(pack.hashes)]
        if PARSING in self._spec.needs and self._crops.parser is not None:
            hashes[PARSING] = self._crops.parser.sha256
        return hashes

    def _check(self, role: str) -> None:
        if role not in self._spec.needs:
            raise RuntimeError(
                f"the editor {self._spec.name!r} asks for {role!r}, which is not among its needs"
            )
