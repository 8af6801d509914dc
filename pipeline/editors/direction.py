"""The linear baseline: w' = w + α·d, one direction for every face."""

from __future__ import annotations

from ._base import EditorSpec, LatentEditor, MoverEditor, Pack

SPEC = EditorSpec(
    name="direction",
    kind="latent",
    summary="moves the code along one direction, the same for every face: w' = w + α·d",
)


def build(pack: Pack) -> LatentEditor:
    """Return the editor that uses the regression directions of a pack."""
    return MoverEditor(SPEC.name, pack)
