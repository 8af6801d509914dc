"""LPIPS: how different two pictures look (Zhang et al., CVPR 2018).

Distances between unit-length features of a classification network, weighted by one learnt number
per channel. Two files make it: the heads (`lin{i}.model.1.weight`) and the network they were learnt
on, in torchvision's layout (`features.{i}.weight`): AlexNet, or VGG-16.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from ..base import ModelInputError
from ..state_dicts import Shapes, expected_shapes, fill, randomised

Network = Literal["alex", "vgg"]

_MEAN, _STD = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""ImageNet statistics for pictures in [-1, 1], as published."""
_EPS = 1e-10

_VGG16 = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512)
"""Output channels of the 3x3 convolutions; 0 is a max-pool."""
_TAPS: dict[Network, tuple[int, ...]] = {"alex": (1, 4, 7, 9, 11), "vgg": (3, 8, 15, 22, 29)}
"""Places in `features` after which the maps are compared: always behind a ReLU."""
_CHANNELS: dict[Network, tuple[int, ...]] = {
    "alex": (64, 192, 384, 256, 256),
    "vgg": (64, 128, 256, 512, 512),
}


class Head(nn.Module):
    """One weight per channel."""

    def __init__(self, channels: int) -> None:
        """Allocate; the published layout has a dropout before the weights."""
        super().__init__()
        self.model = nn.Sequential(nn.Dropout(), nn.Conv2d(channels, 1, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """Return the weighted sum over channels, averaged over the map: (N,)."""
        weighted: Tensor = self.model(x)
        return weighted.mean(dim=(1, 2, 3))


class Lpips(nn.Module):
    """The perceptual distance."""

    def __init__(self, network: Network = "alex") -> None:
        """Allocate for one of the two networks."""
        super().__init__()
        self.network = network
        self.features = _alexnet() if network == "alex" else _vgg16()
        for index, channels in enumerate(_CHANNELS[network]):
            self.add_module(f"lin{index}", Head(channels))

    def maps(self, images: Tensor) -> list[Tensor]:
        """Return the five feature maps, each of unit length over its channels."""
        if images.dim() != 4 or images.shape[1] != 3:
            raise ModelInputError(
                f"LPIPS takes RGB pictures (N, 3, H, W) in [-1, 1], got {tuple(images.shape)}"
            )
        mean, std = (images.new_tensor(v)[:, None, None] for v in (_MEAN, _STD))
        x = (images - mean) / std
        kept = []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in _TAPS[self.network]:
                # vector_norm has a gradient where all channels are 0; a square root has none
                kept.append(x / (torch.linalg.vector_norm(x, dim=1, keepdim=True) + _EPS))
        return kept

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Return distances (N,) float32, 0 for equal pictures.

        Args:
            a: (N, 3, H, W) float32 RGB in [-1, 1]; compare at the same size as others do (256).
            b: the same shape.

        Raises:
            ModelInputError: shapes differ or are not pictures.
        """
        if a.shape != b.shape:
            raise ModelInputError(
                f"LPIPS compares pictures of one shape, got {tuple(a.shape)} and {tuple(b.shape)}"
            )
        pairs = zip(self.maps(a), self.maps(b), strict=True)
        terms = [
            self.get_submodule(f"lin{index}")((x - y).square())
            for index, (x, y) in enumerate(pairs)
        ]
        return torch.stack(terms).sum(dim=0)


def expected(network: Network, prefix: str) -> Shapes:
    """Return key -> shape of one half: of the published heads ("lin"), or of the convolutions of
    torchvision's network ("features."), whose file holds `classifier.*` too."""
    shapes = expected_shapes(lambda: Lpips(network))
    return {key: shape for key, shape in shapes.items() if key.startswith(prefix)}


def load(
    trunk: Mapping[str, Tensor], heads: Mapping[str, Tensor], *, network: Network = "alex"
) -> Lpips:
    """Return the distance made of two state dicts, ready to run.

    Args:
        trunk: torchvision's state dict of the network; entries besides `features.` are ignored.
        heads: the published heads.
        network: which network the heads were learnt on.

    Raises:
        WeightsError: keys or shapes are not those of the network.
    """
    state = {key: value for key, value in trunk.items() if key.startswith("features.")}
    state.update(heads)
    return fill(lambda: Lpips(network), state, what=f"LPIPS heads with their {network} network")


def tiny(seed: int = 0) -> Lpips:
    """Return AlexNet's layout with random numbers and positive heads, for tests."""
    net = randomised(lambda: Lpips("alex"), seed)
    for index in range(len(_TAPS["alex"])):
        next(net.get_submodule(f"lin{index}").parameters()).abs_()
    return net


def _alexnet() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, 4, 2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, 1, 2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, 1, 1),
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, 1, 1),
        nn.ReLU(),
        nn.Conv2d(256, 256, 3, 1, 1),
        nn.ReLU(),
    )


def _vgg16() -> nn.Sequential:
    layers: list[nn.Module] = []
    c_in = 3
    for c_out in _VGG16:
        if c_out:
            layers += [nn.Conv2d(c_in, c_out, 3, 1, 1), nn.ReLU()]
            c_in = c_out
        else:
            layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)
