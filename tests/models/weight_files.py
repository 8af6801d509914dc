"""Files as their authors publish them, in small, and a desk to bring them from."""

from __future__ import annotations

import pickle
import sys
import types
from collections import OrderedDict
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from models import encoders
from models.importing.bring import Import, bring
from models.latent_transformer import WPlusTransformer
from models.packs.store import Store
from models.parts import Hints
from models.state_dicts import expected_shapes
from models.stylegan2.net import Generator

SIDE, LAYERS, CODE = 16, 6, 512


def generator_state(seed: int = 0) -> dict[str, Tensor]:
    """A narrow 16-px generator with codes of the published width."""
    torch.manual_seed(seed)
    network = Generator(SIDE, mapping_layers=1, channels={4: 4, 8: 4, 16: 4})
    return dict(network.state_dict())


def encoder_state() -> dict[str, Tensor]:
    """The smallest published encoder: one row of 512 numbers for all layers."""
    shapes = expected_shapes(lambda: encoders.untrained("w"))
    return {key: _plain(key, shape) for key, shape in shapes.items()}


def _plain(key: str, shape: tuple[int, ...]) -> Tensor:
    """Constants that keep the activations of moderate size: every convolution is a mean."""
    if key.endswith("tracked"):
        return torch.zeros(shape, dtype=torch.long)
    if key.endswith(("running_mean", "bias", "res_layer.4.weight")):
        return torch.zeros(shape)
    return torch.ones(shape) if len(shape) == 1 else torch.full(shape, 1 / prod(shape[1:]))


def merged(encoder: dict[str, Tensor], generator: dict[str, Tensor]) -> dict[str, Any]:
    """A file as pSp's training writes it."""
    state = {f"encoder.{k}": v for k, v in encoder.items()}
    state |= {f"decoder.{k}": v for k, v in generator.items()}
    return {
        "state_dict": state,
        "opts": {"encoder_type": "WEncoder", "start_from_latent_avg": True},
        "latent_avg": torch.full((LAYERS, CODE), 0.5),
    }


class Desk:
    """A folder with files to bring."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder, self.store = folder, store

    def save(self, name: str, content: object) -> str:
        path = self.folder / name
        torch.save(content, path)
        return str(path)

    def generator(self, name: str = "g.pt", seed: int = 0) -> str:
        return self.save(name, {"g_ema": generator_state(seed), "latent_avg": torch.ones(CODE)})

    def transformer(self, name: str = "tnet_31.pth.tar", layers: int = LAYERS) -> str:
        torch.manual_seed(5)
        return self.save(name, WPlusTransformer(layers, CODE).state_dict())

    def direction(self, name: str = "smile.npy", rows: int = LAYERS) -> str:
        path = self.folder / name
        np.save(path, np.random.default_rng(1).standard_normal((rows, CODE)))
        return str(path)

    def bring(self, *files: str, pack: str = "", **hints: str) -> Import:
        return bring(files, self.store, pack=pack, hints=Hints(**hints))


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function: object, *arguments: object) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> Any:
        return self._call


def ada_pickle(path: Path, flat: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pickle as StyleGAN2-ADA writes it: networks in networks, with the source of their class."""

    class EasyDict(dict[str, Any]):
        pass

    def _reconstruct_persistent_obj(meta: object) -> None:
        raise AssertionError("executed")

    made: dict[str, dict[str, Any]] = {
        "dnnlib": {},
        "dnnlib.util": {"EasyDict": EasyDict},
        "torch_utils": {},
        "torch_utils.persistence": {"_reconstruct_persistent_obj": _reconstruct_persistent_obj},
    }
    for name, members in made.items():
        module = types.ModuleType(name)
        for key, member in members.items():
            member.__module__, member.__qualname__ = name, key
            setattr(module, key, member)
        monkeypatch.setitem(sys.modules, name, module)

    def network(state: dict[str, Tensor], class_name: str = "Generator") -> Call:
        inner: dict[str, dict[str, Tensor]] = {}
        own = {key: value for key, value in state.items() if "." not in key}
        for key, value in state.items():
            head, _, rest = key.partition(".")
            if rest:
                inner.setdefault(head, {})[rest] = value
        learnt = {k: torch.nn.Parameter(v) for k, v in own.items() if k in ("weight", "bias")}
        meta = EasyDict(type="class", version=6, class_name=class_name)
        meta["module_src"] = "import os; os.system('true')"
        meta["state"] = {
            "_parameters": OrderedDict(learnt),
            "_buffers": OrderedDict({k: v for k, v in own.items() if k not in learnt}),
            "_modules": OrderedDict({k: network(v, "Layer") for k, v in inner.items()}),
            "_backward_hooks": OrderedDict(),
            "_non_persistent_buffers_set": set(),
            "_init_kwargs": EasyDict(z_dim=512),
            "training": False,
        }
        return Call(_reconstruct_persistent_obj, meta)

    content = {"G_ema": network(flat), "training_set_kwargs": EasyDict(resolution=16)}
    path.write_bytes(pickle.dumps(content, protocol=4))
    return path
