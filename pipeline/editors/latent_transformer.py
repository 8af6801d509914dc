"""The latent transformer: w' = w + α·T(w) (Yao et al., ICCV 2021, eq. 1)."""

from __future__ import annotations

from ._base import EditorSpec, LatentEditor, MoverEditor, Pack

SPEC = EditorSpec(
    name="latent-transformer",
    kind="latent",
    summary="moves the code by a learnt network: w' = w + α·T(w)",
)


def build(pack: Pack) -> LatentEditor:
    """Return the editor that uses the transformers of a pack, one network per attribute."""
    return MoverEditor(SPEC.name, pack)
