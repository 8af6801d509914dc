"""The linear baselines of `mini`: one InterFaceGAN boundary and one GANSpace component per mover.

All lie in one file, each behind `EDITOR.ATTRIBUTE.`; what strength 1 means stands in its text
metadata.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ..directions import DirectionMover, component_of, fit_components
from ..directions.boundary import fit_boundary
from ..packs.packfile import MoverEntry
from ..training.calibration import unit_of_one_sd
from ..training.codes import read_labelled
from ..weights import load_safetensors, save_safetensors, sha256_of

FILE: Final = "baselines.safetensors"

ROWS: Final = (0, 11)
"""W+ rows that move, as those of the transformers do."""

_ENDS = 0.25
"""Share of the codes at each end of a boundary."""
_COMPONENTS = 80


def fit_baselines(
    codes: Path, rated: Mapping[str, str], rows: tuple[int, int], out: Path, notes: dict[str, str]
) -> dict[str, dict[str, float]]:
    """Fit and write the baselines; return figures of each.

    Args:
        codes: what `export` wrote.
        rated: by attribute, the rating that stands for it.
        rows: W+ rows that move.
        out: file to write.
        notes: text metadata to add.

    Raises:
        ModelError: the codes cannot be read, or hold nothing of a rating.
    """
    trained_on, _ = read_labelled(codes).split()
    components = fit_components(trained_on.w, _COMPONENTS)
    layers = trained_on.w.shape[1]
    tensors, units, figures = {}, {}, {}
    for name, rating in rated.items():
        target = trained_on.column(rating)
        scores = trained_on.labels[:, target]
        boundary = fit_boundary(trained_on.w, scores, share=_ENDS)
        unit, _ = unit_of_one_sd(
            DirectionMover(boundary.normal, layers, rows=rows), trained_on, target
        )
        index, correlation = component_of(components, trained_on.w, scores)
        tensors[f"direction.{name}.vector"] = boundary.normal.half()
        tensors[f"pca.{name}.vector"] = components.vector(index).half()
        units[f"direction.{name}."] = unit
        units[f"pca.{name}."] = 1.0 if correlation >= 0 else -1.0
        figures[name] = {**boundary.accuracy, "component_correlation": correlation}
    save_safetensors(out, tensors, {**notes, "units": json.dumps(units)})
    return figures


def baseline_entries(folder: Path, like: MoverEntry) -> tuple[MoverEntry, ...]:
    """Return the entries of one attribute's baselines; none if the pack has no file of them.

    Args:
        folder: of the pack.
        like: entry of the attribute's transformer: its name and rows are shared.
    """
    path = folder / FILE
    if not path.is_file():
        return ()
    _, texts = load_safetensors(path)
    units = json.loads(texts["units"])
    return tuple(
        MoverEntry(
            editor,
            like.attribute,
            FILE,
            sha256=sha256_of(path),
            prefix=f"{editor}.{like.attribute}.",
            layers=like.layers,
            unit=units[f"{editor}.{like.attribute}."],
        )
        for editor in ("direction", "pca")
    )
