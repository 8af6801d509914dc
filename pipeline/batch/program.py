"""What of the program, its weights and this machine decides the bytes it makes."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from ..config import LANDMARKERS, RenderOptions
from ..editors import Pack
from ..edits import Catalogue, check_offered, resolve_edits
from ..loading import load_pack, resolve_device
from ..loading.device import multiplies_bf16
from ..matte_files import files_of
from ..report import versions
from ..request import Edit, EditRequest, MatteFile
from ..tracking.select import FaceChoice
from .sources import Sources

_OF_CODES = ("faces", "pack", "editor", "transfer", "precision", "smoothing_s", "batch_size")
"""Render options that what is prepared for a face depends on."""
_ELSEWHERE = (
    *("input", "attributes", "strength", "exemplar", "settings", "encode", "frames"),
    *("analysis_path", "cache", "device", "presets"),
)
"""Fields of a request that decide nothing, or are told otherwise: by what they mean, by hashes."""


class Program:
    """The program as it runs here; packs are opened when they are first asked for.

    Args:
        sources: tells the content of files that requests name.
    """

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._packs: dict[object, tuple[Pack, Catalogue]] = {}
        self._edits: dict[object, tuple[Edit, ...]] = {}

    @cached_property
    def facts(self) -> Mapping[str, Any]:
        """What every unit depends on: code, cards of the weights, libraries."""
        libraries = {name: version for name, version in versions().items() if name != "python"}
        return {"code": _code(), "libraries": libraries}

    def edits(self, request: EditRequest) -> tuple[Edit, ...]:
        """Return the edits a request asks for.

        Raises:
            VisagistError: one of them cannot be.
        """
        asked = (request.attributes, request.strength, request.exemplar, request.settings)
        key = (asked, self._pack_key(request), request.render.editor)
        if key not in self._edits:
            _, catalogue = self._pack(request)
            edits = resolve_edits(request, catalogue)
            check_offered(catalogue.drawn(edits), catalogue)
            self._edits[key] = edits
        return self._edits[key]

    def analysis_facts(self, request: EditRequest) -> dict[str, Any]:
        """Return what decides an analysis (JSON values).

        Raises:
            VisagistError: a file that is named cannot be read, or the device is not there.
        """
        options = dataclasses.asdict(request.analyze)
        if request.analyze.landmarks not in LANDMARKERS:
            options["landmarks"] = self._sources.digest(Path(request.analyze.landmarks))
        given = request.analysis_path
        return {
            **self.facts,
            "processor": processor_of(request.device),
            "clip": self._sources.digest(request.input),
            "options": options,
            "given": None if given is None else self._sources.digest(given),
        }

    def codes_facts(self, request: EditRequest) -> dict[str, Any]:
        """Return what decides what is prepared for the faces of one edit, beside the analysis."""
        pack, _ = self._pack(request)
        options = {name: getattr(request.render, name) for name in _OF_CODES}
        picture = FaceChoice.parse(request.render.faces).picture
        return {
            "pack": [pack.name, dict(pack.settings), dict(pack.hashes)],
            "options": options | {"faces": self._sources.digest(picture)} if picture else options,
            "edits": [
                self.plain(dataclasses.replace(edit, strength=1.0))
                for edit in self.edits(request)
                if edit.strength
            ],
        }

    def render_facts(self, request: EditRequest) -> dict[str, Any]:
        """Return what decides the pixels of one edit, beside what was prepared."""
        rest = [f.name for f in dataclasses.fields(request) if f.name not in _ELSEWHERE]
        facts = {name: self.plain(getattr(request, name)) for name in rest}
        return {**facts, "edits": self.plain(self.edits(request))}

    def plain(self, value: object) -> Any:
        """Return data as JSON values; a file as the hash of its content."""
        if isinstance(value, MatteFile):  # pictures of a sequence are found by their names
            pictures = [(path.name, path) for path in files_of(value)]
            return [value.channel, self.plain(pictures if len(pictures) > 1 else value.path)]
        if isinstance(value, Path):
            return self._sources.digest(value)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            names = [field.name for field in dataclasses.fields(value)]
            return {name: self.plain(getattr(value, name)) for name in names}
        if isinstance(value, Mapping):
            return {str(key): self.plain(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.plain(item) for item in value]
        return value if isinstance(value, str | int | float | bool | None) else repr(value)

    def _pack(self, request: EditRequest) -> tuple[Pack, Catalogue]:
        key = self._pack_key(request)
        if key not in self._packs:
            options, device = request.render, resolve_device(request.device)
            pack = load_pack(
                options.pack, device, transfer=options.transfer, precision=options.precision
            )
            self._packs[key] = (pack, Catalogue(pack))
        return self._packs[key]

    @staticmethod
    def _pack_key(request: EditRequest) -> object:
        options: RenderOptions = request.render
        return (options.pack, request.device, options.transfer, options.precision)


def processor_of(name: str) -> str:
    """Return the class of processor: results of different ones differ by a grey level."""
    device = resolve_device(name)
    return f"{device.type}, bf16" if multiplies_bf16(device) else device.type


@cache
def _code() -> str:
    """Return a hash over the program, and over the cards of its weights with their hashes."""
    digest = hashlib.sha256()
    package = Path(__file__).resolve().parents[1]
    for folder in (package, package.parent / "models"):
        for path in sorted(p for p in folder.rglob("*") if p.suffix in (".py", ".toml")):
            digest.update(path.relative_to(folder).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
