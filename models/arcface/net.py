"""Face recognition: ArcFace IR-SE50 and CurricularFace IR-101, aligned face in, unit vector out.

Deng et al., ArcFace (CVPR 2019); Huang et al., CurricularFace (CVPR 2020). The key names are those
of the published files `model_ir_se50.pth` and `CurricularFace_Backbone.pth`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch.nn.functional as F
from torch import Tensor, nn

from ..base import ModelInputError
from ..ops.irse import UNITS, Trunk, TrunkShape
from ..state_dicts import fill, randomised

INPUT_SIDE = 112
"""Side of the face crop [px]."""


@dataclass(frozen=True, slots=True)
class RecognitionShape:
    """Measures of a recognition network."""

    trunk: TrunkShape = field(default_factory=TrunkShape)
    """Trunk; its last map is 1/16 of the crop."""
    features: int = 512
    """Length of the embedding."""
    affine: bool = True
    """Whether the last norm has a scale and a shift (ArcFace) or none (CurricularFace)."""


ARCFACE = RecognitionShape()
CURRICULARFACE = RecognitionShape(trunk=TrunkShape(units=UNITS[100], squeeze=False), affine=False)


class RecognitionNet(Trunk):
    """The trunk and the embedding head."""

    def __init__(self, shape: RecognitionShape = ARCFACE) -> None:
        """Allocate for a shape."""
        super().__init__(shape.trunk)
        width = shape.trunk.widths[-1]
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(width),
            nn.Dropout(0.6),
            nn.Flatten(),
            nn.Linear(width * (INPUT_SIDE // 16) ** 2, shape.features),
            nn.BatchNorm1d(shape.features, affine=shape.affine),
        )

    def forward(self, crops: Tensor) -> Tensor:
        """Return embeddings (N, features) float32 of length 1.

        Args:
            crops: (N, 3, 112, 112) float32 RGB in [-1, 1].

        Raises:
            ModelInputError: other shapes.
        """
        if tuple(crops.shape[1:]) != (3, INPUT_SIDE, INPUT_SIDE):
            raise ModelInputError(
                f"recognition takes face crops (N, 3, {INPUT_SIDE}, {INPUT_SIDE}) in [-1, 1], got "
                f"{tuple(crops.shape)}; cut them with face_crop()"
            )
        return F.normalize(self.output_layer(self.features(crops)[-1]), dim=1)


def load(state: Mapping[str, Tensor], shape: RecognitionShape = ARCFACE) -> RecognitionNet:
    """Return the network of a state dict, ready to run.

    Raises:
        WeightsError: keys or shapes are not those of the network.
    """
    what = "an ArcFace IR-SE50" if shape.affine else "a CurricularFace IR-101"
    return fill(lambda: RecognitionNet(shape), state, what=what)


def tiny(seed: int = 0) -> RecognitionNet:
    """Return a narrow random network, quick, for tests."""
    trunk = TrunkShape(widths=(4, 4, 4, 8, 8), units=(1, 1, 1, 1), reduction=4)
    shape = replace(ARCFACE, trunk=trunk, features=16)
    return randomised(lambda: RecognitionNet(shape), seed)
