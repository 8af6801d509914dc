"""Every published layout is recognised and complete: shapes of the real files, numbers not needed.

The tensors are allocated but never written, so even the largest file costs no memory.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from models.base import WeightsError
from models.importing.recognise import Hints, recognise
from models.ops.upfirdn import binomial_kernel
from models.parts import Part
from models.reading.checkpoint import Checkpoint


def manifest(shared: Path, name: str) -> dict[str, Tensor]:
    """Return the tensors of a layout: unwritten memory, but for the fixed filters."""
    path = shared / "golden" / "manifests" / f"{name}.json"
    table = json.loads(path.read_text(encoding="utf-8"))["keys"]
    return {key: _tensor(key, facts) for key, facts in table.items()}


def _tensor(key: str, facts: Mapping[str, Any]) -> Tensor:
    if key.endswith((".kernel", "resample_filter")):
        gain = 4.0 if "blur" in key or "upsample" in key else 1.0
        return binomial_kernel(gain)
    return torch.empty(facts["shape"], dtype=getattr(torch, facts["dtype"]))


def _read(content: object, name: str = "file.pt", **hints: str) -> tuple[Part, ...]:
    return recognise(Checkpoint(Path(name), content), Hints(**hints))


def _prefixed(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + key: value for key, value in state.items()}


def _merged(encoder: dict[str, Tensor], encoder_type: str, rest: dict[str, Tensor]) -> object:
    return {
        "state_dict": {**_prefixed("encoder.", encoder), **_prefixed("decoder.", rest)},
        "opts": {"encoder_type": encoder_type, "start_from_latent_avg": True},
        "latent_avg": torch.zeros(18, 512),
    }


@dataclass(frozen=True)
class Case:
    manifest: str
    wrap: Callable[[dict[str, Tensor]], object]
    titles: tuple[str, ...]
    name: str = "file.pt"
    with_generator: bool = False


GENERATOR = "stylegan2_rosinality_generator_1024"
CASES = (
    *(
        Case(
            f"stylegan2_rosinality_generator_{size}",
            lambda s: {"g_ema": s, "latent_avg": torch.zeros(512)},
            (f"StyleGAN2 generator, {size} px (rosinality layout)",),
        )
        for size in (64, 256, 512, 1024)
    ),
    *(
        Case(
            f"stylegan2_ada_generator_{size}_config_f",
            dict,
            (f"StyleGAN2 generator, {size} px (ada layout)",),
        )
        for size in (256, 1024)
    ),
    *(
        Case(
            file,
            partial(_merged, encoder_type=kind, rest={}),
            (title,),
        )
        for file, kind, title in (
            ("psp_encoder_gradualstyle_irse50_18", "GradualStyleEncoder", "pSp encoder"),
            ("e4e_encoder_irse50_18", "Encoder4Editing", "e4e encoder"),
            ("restyle_psp_encoder_irse50_18", "BackboneEncoder", "ReStyle encoder over pSp"),
            ("restyle_e4e_encoder_irse50_18", "ProgressiveBackboneEncoder", "ReStyle encoder"),
            ("psp_encoder_backbone_W", "BackboneEncoderUsingLastLayerIntoW", "W encoder"),
            ("hyperstyle_w_encoder_faces", "WEncoder", "W encoder"),
        )
    ),
    Case(
        "psp_ffhq_encode.pt",
        lambda s: {
            "state_dict": {
                k.removeprefix("state_dict/"): v for k, v in s.items() if k != "latent_avg"
            },
            "opts": {"encoder_type": "GradualStyleEncoder"},
            "latent_avg": s["latent_avg"],
        },
        ("pSp encoder, 256 px to 18 rows", "StyleGAN2 generator, 1024 px"),
    ),
    Case(
        "latent_transformer.tnet_K.pth.tar",
        dict,
        ("latent transformer for smile, 18 rows",),
        "tnet_31.pth.tar",
    ),
    Case("latent_classifier_epoch_20.pth", dict, ("latent classifier, 40 attributes",)),
    Case("arcface_ir_se50_backbone_112.model_ir_se50.pth", dict, ("ArcFace IR-SE50",)),
    Case("curricularface_ir_101.CurricularFace_Backbone.pth", dict, ("CurricularFace IR-101",)),
    Case("bisenet_face_parsing.79999_iter.pth", dict, ("BiSeNet face parsing",)),
    Case("lpips_alex_v0.1.alex.pth", dict, ("LPIPS heads (alex)",)),
)

UNUSED: dict[str, tuple[Callable[[dict[str, Tensor]], object], str]] = {
    "hyperstyle_hypernet_ffhq": (
        lambda s: {"state_dict": _prefixed("hypernet.", s), "opts": {}},
        "no command uses hypernetworks",
    ),
    "hairstyle_transfer_encoder": (
        lambda s: {"state_dict": s},
        "no command uses hypernetworks .* or hairstyle encoders",
    ),
    "stylegan2_rosinality_discriminator_1024": (dict, "not recognised"),
    "e4e_latent_discriminator": (dict, "not recognised"),
}
"""Published files that no command has a use for, and what is said of them."""


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.manifest)
def test_a_published_layout_is_recognised(shared: Path, case: Case) -> None:
    parts = _read(case.wrap(manifest(shared, case.manifest)), case.name)
    assert len(parts) == len(case.titles)
    for part, title in zip(parts, case.titles, strict=True):
        assert part.title.startswith(title)


@pytest.mark.parametrize("name", UNUSED)
def test_what_no_command_uses_is_refused(shared: Path, name: str) -> None:
    wrap, words = UNUSED[name]
    with pytest.raises(WeightsError, match=words):
        _read(wrap(manifest(shared, name)))


def test_no_manifest_is_without_a_case(shared: Path) -> None:
    there = {p.stem for p in (shared / "golden" / "manifests").glob("*.json")}
    assert there == {case.manifest for case in CASES} | {"latent_directions_in_git", *UNUSED}


def test_the_directions_in_git_are_recognised(shared: Path) -> None:
    path = shared / "golden" / "manifests" / "latent_directions_in_git.json"
    table = json.loads(path.read_text(encoding="utf-8"))["keys"]
    for key, facts in table.items():
        array = torch.ones(facts["shape"], dtype=getattr(torch, facts["dtype"]))
        (part,) = _read(array, Path(key).name)
        assert part.role == "direction", key
        assert part.tensors["vector"].dtype == torch.float32
        assert part.facts.layers == (18 if 18 in facts["shape"] else 0)


def test_a_merged_file_with_its_generator_gives_both_bound_to_each_other(shared: Path) -> None:
    encoder = manifest(shared, "psp_encoder_backbone_W")
    decoder = {k: v.zero_() if "kernel" not in k else v for k, v in _small(shared).items()}
    content = {
        "state_dict": {**_prefixed("encoder.", encoder), **_prefixed("decoder.", decoder)},
        "opts": {"encoder_type": "WEncoder"},
        "latent_avg": torch.zeros(512),
    }
    first, second = _read(content)
    assert (first.role, second.role) == ("encoder", "generator")
    assert first.facts.generator == second.facts.generator != ""


def _small(shared: Path) -> dict[str, Tensor]:
    return manifest(shared, "stylegan2_rosinality_generator_64")


def test_the_options_decide_between_psp_and_e4e_never_the_keys(shared: Path) -> None:
    state = manifest(shared, "psp_encoder_gradualstyle_irse50_18")
    (part,) = _read(_merged(state, "Encoder4Editing", {}), "psp_ffhq_encode.pt")
    assert part.facts.kind == "e4e"
    with pytest.raises(WeightsError, match="name no encoder_type"):
        _read({"state_dict": _prefixed("encoder.", state), "opts": {}})
    (part,) = _read({"state_dict": _prefixed("encoder.", state)}, kind="psp")
    assert part.facts.kind == "psp"
    with pytest.raises(WeightsError, match="encoder_type 'Strange' is not supported"):
        _read(_merged(state, "Strange", {}))


def test_missing_left_over_and_misshapen_tensors_are_named(shared: Path) -> None:
    state = manifest(shared, "bisenet_face_parsing.79999_iter.pth")
    missing = {k: v for k, v in state.items() if k != "conv_out.conv_out.weight"}
    with pytest.raises(WeightsError, match=r"file.pt: .*1 missing: conv_out\.conv_out\.weight"):
        _read(missing)
    with pytest.raises(WeightsError, match="1 left over: more"):
        _read({**state, "more": torch.ones(1)})
    wrong = {**state, "conv_out.conv_out.weight": torch.ones(20, 256, 1, 1)}
    with pytest.raises(WeightsError, match=r"of other shape: .* instead of \[19, 256, 1, 1\]"):
        _read(wrong)


def test_a_generator_with_other_filters_is_refused(shared: Path) -> None:
    state = _small(shared)
    state["convs.0.conv.blur.kernel"] = torch.ones(4, 4) / 4
    with pytest.raises(WeightsError, match=r"blur\.kernel"):
        _read({"g_ema": state})


def test_a_transformer_needs_to_be_told_its_attribute(shared: Path) -> None:
    state = manifest(shared, "latent_transformer.tnet_K.pth.tar")
    with pytest.raises(WeightsError, match="for which attribute"):
        _read(state, "transformer.pth")
    (part,) = _read(state, "transformer.pth", attribute="age")
    assert part.facts.attribute is not None
    assert (part.facts.attribute.name, part.facts.unit) == ("age", -1.0)
    (part,) = _read(state, "tnet_15.pth.tar")
    assert part.facts.attribute is not None
    assert part.facts.attribute.name == "glasses"
    with pytest.raises(WeightsError, match="no CelebA attribute '40'"):
        _read(state, "tnet_40.pth.tar")


def test_a_training_checkpoint_gives_its_network_and_names_the_rest(shared: Path) -> None:
    state = manifest(shared, "latent_transformer.tnet_K.pth.tar")
    content = {"n_epoch": 3, "T_net_state_dict": state, "opt_state_dict": {}}
    (part,) = _read(content, attribute="smile")
    assert part.left_aside == ("n_epoch", "opt_state_dict")
    rosinality = {"g": {}, "d": {}, "g_ema": _small(shared), "g_optim": {}, "args": {}}
    (part,) = _read(rosinality)
    assert part.left_aside == ("g", "d", "g_optim", "args")


def test_what_is_nothing_known_is_described(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"not recognised: 2 entries \(a, b\); known: StyleGAN2"):
        _read({"a": torch.ones(1), "b": 3})
    with pytest.raises(WeightsError, match="not recognised: a list"):
        _read([1])
    with pytest.raises(WeightsError, match=r"shape \(3, 1\), which is no direction"):
        _read(torch.ones(3, 1))
    with pytest.raises(WeightsError, match=r"codes of 5 faces.*data to train movers on"):
        _read(torch.ones(5, 18, 512))
