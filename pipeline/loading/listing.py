"""What `models` lists of the embedded weights."""

from __future__ import annotations

from ..errors import WeightsError
from .seam import models, weights_errors


def embedded_weights() -> list[dict[str, str]]:
    """Return one row per embedded weight file: name, use, licence, size, hash, source.

    Raises:
        WeightsError: a file is missing, damaged, or not the one expected.
    """
    weights = models.weights
    rows = []
    for facts in weights.embedded().values():
        with weights_errors():
            found = weights.sha256_of(facts.path)
        if found != facts.sha256:
            raise WeightsError(f"{facts.path} has SHA-256 {found}, expected {facts.sha256}")
        rows.append(
            {
                "name": facts.name,
                "use": facts.use + _codes(facts.name),
                "licence": facts.licence,
                "commercial use": "yes" if facts.commercial else "no",
                "size": f"{facts.path.stat().st_size / 1e6:.1f} MB",
                "sha256": facts.sha256[:16],
                "source": facts.source,
            }
        )
    return rows


def _codes(name: str) -> str:
    """Return what directions must name (`--generator`) to move the codes of an embedded pack."""
    bases = {"portrait": "portrait", "mini_generator": "mini"}
    return f"; generator id {models.packs.layers.codes_of(bases[name])}" if name in bases else ""
