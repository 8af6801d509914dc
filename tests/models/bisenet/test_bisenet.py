"""Face parsing: published layout, reference logits, labels and regions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from models.base import ModelInputError, WeightsError
from models.bisenet import ParsingNet, load, parse, tiny
from models.bisenet.parse import normalised
from models.state_dicts import expected_shapes

from ..golden import manifest_keys, recipe_weights


def test_keys_and_shapes_are_those_of_the_published_file(shared: Path) -> None:
    name = "bisenet_face_parsing.79999_iter.pth"
    assert expected_shapes(ParsingNet) == manifest_keys(shared / f"golden/manifests/{name}.json")


def test_logits_and_labels_agree_with_the_reference_network(shared: Path) -> None:
    golden = np.load(shared / "golden/bisenet.npz")
    net = load(recipe_weights(shared / "golden/bisenet.recipe.json"))
    x = torch.from_numpy(golden["x"].astype(np.float32))
    main = net(x)
    assert np.abs(main[:, :, ::8, ::8].numpy() - golden["logits_s8"]).max() < 1e-4
    assert (main.argmax(1).numpy() == golden["argmax"]).mean() > 0.9999


def test_a_file_of_another_network_is_refused() -> None:
    with pytest.raises(WeightsError, match=r"not a BiSeNet face parser.*160 missing"):
        load({})


def test_a_picture_is_parsed_the_same_alone_and_in_a_batch() -> None:
    net, x = tiny(), torch.rand(3, 3, 64, 64) * 2 - 1
    alone = torch.cat([net(one[None]) for one in x])
    torch.testing.assert_close(net(x), alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("dtype", "alike"), [(torch.float32, 1.0), (torch.bfloat16, 0.97)], ids=str
)
def test_the_prepared_network_gives_the_labels_of_its_twin(
    dtype: torch.dtype, alike: float
) -> None:
    net, x = tiny(), torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1
    prepared = net.prepared(dtype)
    assert prepared(x).dtype == torch.float32
    same = parse(prepared, x, side=64) == parse(net, x, side=64)
    assert float(same.float().mean()) >= alike
    assert {p.dtype for p in net.parameters()} == {torch.float32}


def test_labels_come_back_at_the_size_of_the_picture() -> None:
    labels = parse(tiny(), torch.rand(2, 3, 100, 80) * 2 - 1, side=64)
    assert labels.shape == (2, 100, 80)
    assert labels.dtype == torch.int64
    assert int(labels.min()) >= 0
    assert int(labels.max()) < 19


def test_parsing_at_the_network_s_own_size_is_the_argmax_of_its_logits() -> None:
    net, x = tiny(), torch.rand(1, 3, 64, 64) * 2 - 1
    assert torch.equal(parse(net, x, side=64), net(normalised(x, 64)).argmax(1))


def test_pictures_arrive_in_imagenet_units() -> None:
    grey = torch.zeros(1, 3, 8, 8)  # 0 in [-1, 1] is 0.5 in [0, 1]
    by_hand = (0.5 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    np.testing.assert_allclose(normalised(grey, 8)[0, :, 0, 0].numpy(), by_hand, rtol=1e-5)


def test_large_pictures_are_averaged_not_sampled_with_gaps() -> None:
    stripes = torch.tensor([1.0, -1.0]).repeat(64)[None, None, None].expand(1, 3, 128, 128)
    shown = normalised(stripes, 32)[:, :, 2:-2, 2:-2]
    grey = normalised(torch.zeros(1, 3, 32, 32), 32)[:, :, 2:-2, 2:-2]
    torch.testing.assert_close(shown, grey, atol=0.05, rtol=0)
    gaps = F.interpolate(stripes, size=(32, 32), mode="nearest")
    assert float(gaps.abs().min()) == 1  # what plain sampling would show


def test_sizes_the_network_cannot_halve_are_refused_with_the_way_out() -> None:
    with pytest.raises(ModelInputError, match=r"multiples of 32.*parse\(\)"):
        tiny()(torch.zeros(1, 3, 100, 100))
    with pytest.raises(ModelInputError, match=r"\(N, 3, H, W\)"):
        parse(tiny(), torch.zeros(3, 64, 64))


def test_the_network_is_built_without_looking_for_other_weights() -> None:
    with torch.device("meta"):
        net = ParsingNet()
    assert sum(p.numel() for p in net.state_dict().values()) == 13_313_119
