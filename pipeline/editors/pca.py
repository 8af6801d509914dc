"""GANSpace: w' = w + α·σ·c, one principal component of the codes, the same for every face."""

from __future__ import annotations

from ._base import EditorSpec, LatentEditor, MoverEditor, Pack

SPEC = EditorSpec(
    name="pca",
    kind="latent",
    summary="moves the code along one principal component (GANSpace): w' = w + α·σ·c",
)


def build(pack: Pack) -> LatentEditor:
    """Return the editor that uses the components of a pack."""
    return MoverEditor(SPEC.name, pack)
