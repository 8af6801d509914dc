"""The parsing network as the program runs it: crops and landmarks in, shares of labels out."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..base import ModelInputError, WeightsError
from .fast import FastNet
from .net import LABELS, SIDE, ParsingNet
from .square import crop_to_grid, squares


class ParsingModel(nn.Module):
    """Says of every pixel round a face what it shows."""

    side = SIDE
    """G of the shares."""

    def __init__(self, net: ParsingNet) -> None:
        """Keep a trained network."""
        super().__init__()
        self.net = net.eval().requires_grad_(False)
        self._fast: FastNet | None = None

    def frozen(self, dtype: torch.dtype = torch.float32) -> ParsingModel:
        """Return this model, from now on run by the network's fast twin on its device.

        Later changes of the weights have no effect. `dtype` is that of the twin's features.
        """
        self._fast = FastNet(self.net, dtype)
        return self

    @torch.no_grad()
    def parse(self, images: Tensor, landmarks: Tensor) -> tuple[Tensor, Tensor]:
        """Return how much of every cell round the faces each label has, and where the cells lie.

        A face's result does not depend on what else is in the batch.

        Args:
            images: crops (N, 3, S, S) float32 RGB in [-1, 1], S > 0, of any turn.
            landmarks: (N, 68, 2) [crop px].

        Returns:
            Shares (N, 13, G, G) float32 that sum to 1 over the labels (`LABELS`), and crop_to_grid
            (N, 2, 3) float32: crop px to coordinates from -1 to 1 of the cells, as
            `grid_sample(align_corners=False)` counts.

        Raises:
            ModelInputError: other shapes, or landmarks that are no face.
        """
        if images.dim() != 4 or images.shape[1] != 3 or len(images) != len(landmarks):
            raise ModelInputError(
                f"parse takes N crops (N, 3, S, S) in [-1, 1] and N landmarks (N, 68, 2), got "
                f"{tuple(images.shape)} and {tuple(landmarks.shape)}"
            )
        to_grid = crop_to_grid(landmarks)
        seen = squares(images, to_grid, SIDE)
        return self.shares(seen), to_grid

    @torch.no_grad()
    def shares(self, seen: Tensor) -> Tensor:
        """Return the shares (N, 13, G, G) of squares (N, 3, G, G) float32 RGB in [-1, 1]."""
        if seen.device.type != "cpu":
            return self._shares(seen)
        # Convolutions on processors round otherwise for other numbers of pictures, and gain nothing
        # by more than one.
        rows = [self._shares(seen[n : n + 1]) for n in range(len(seen))]
        return torch.cat(rows) if rows else seen.new_zeros(0, len(LABELS), SIDE, SIDE)

    def _shares(self, seen: Tensor) -> Tensor:
        return torch.softmax(self.net(seen), 1) if self._fast is None else self._fast(seen)


def build(state: Mapping[str, Tensor]) -> ParsingModel:
    """Return the model of a state dict as `python -m models.parsing train` writes it.

    Raises:
        WeightsError: keys or shapes are not those of the network.
    """
    net = ParsingNet()
    try:
        net.load_state_dict({key: value.float() for key, value in state.items()})
    except RuntimeError as e:
        raise WeightsError(f"these are not weights of the parsing network: {e}") from e
    return ParsingModel(net)
