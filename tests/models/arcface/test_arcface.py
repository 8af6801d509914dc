"""ArcFace and CurricularFace: published layouts, reference embeddings, identity."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from models.arcface import Identity, load, tiny
from models.arcface.identity import face_crop
from models.arcface.net import ARCFACE, CURRICULARFACE, RecognitionNet, RecognitionShape
from models.base import ModelInputError, WeightsError
from models.state_dicts import Shapes, expected_shapes

from ..golden import manifest_keys, recipe_weights

FILES: dict[str, RecognitionShape] = {
    "arcface_ir_se50_backbone_112.model_ir_se50.pth": ARCFACE,
    "curricularface_ir_101.CurricularFace_Backbone.pth": CURRICULARFACE,
}


def expected(shape: RecognitionShape) -> Shapes:
    return expected_shapes(lambda: RecognitionNet(shape))


@pytest.mark.parametrize("name", FILES)
def test_keys_and_shapes_are_those_of_the_published_file(name: str, shared: Path) -> None:
    assert expected(FILES[name]) == manifest_keys(shared / f"golden/manifests/{name}.json")


def test_crops_and_embeddings_agree_with_the_reference_network(shared: Path) -> None:
    golden = np.load(shared / "golden/arcface_ir_se50.npz")
    net = load(recipe_weights(shared / "golden/arcface_ir_se50.recipe.json"))
    crops = face_crop(torch.from_numpy(golden["x256"]))
    assert np.abs(crops.numpy() - golden["crop112"]).max() < 1e-5
    assert np.abs(net(crops).numpy() - golden["embedding"]).max() < 1e-5


def test_a_curricularface_file_is_not_taken_for_an_arcface_one() -> None:
    shapes = expected(CURRICULARFACE)
    with torch.device("meta"):
        state = {key: torch.empty(shape) for key, shape in shapes.items()}
    assert load(state, CURRICULARFACE).shape.units == (3, 13, 30, 3)
    with pytest.raises(WeightsError, match=r"not an ArcFace IR-SE50: .*left over"):
        load(state)


def test_embeddings_have_length_one() -> None:
    lengths = tiny()(torch.rand(3, 3, 112, 112) * 2 - 1).norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones(3))


def test_the_crop_is_the_middle_of_the_face_averaged_to_112_px() -> None:
    # a ramp keeps its values under area averaging: the crop's columns are known by hand
    ramp = torch.arange(256.0).expand(1, 3, 256, 256)
    crop = face_crop(ramp)
    bins = [np.arange(i * 188 // 112, -(-(i + 1) * 188 // 112)) for i in range(112)]
    by_hand = np.array([32 + b.mean() for b in bins], dtype=np.float32)
    np.testing.assert_allclose(crop[0, 0, 50].numpy(), by_hand, rtol=1e-6)
    assert torch.equal(face_crop(ramp.mT)[0, 0, 0, :1], crop[0, 0, 0, :1] + 3)  # rows start at 35


def test_larger_pictures_are_averaged_to_256_first() -> None:
    small = torch.rand(1, 3, 256, 256)
    large = small.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)
    torch.testing.assert_close(face_crop(large), face_crop(small))


def test_a_face_is_itself_and_nobody_else() -> None:
    identity = Identity(tiny())
    faces = torch.rand(2, 3, 256, 256) * 2 - 1
    torch.testing.assert_close(identity.similarity(faces, faces), torch.ones(2))
    assert float(identity(faces, faces)) == pytest.approx(0, abs=1e-6)
    other = identity.similarity(faces, -faces)
    assert bool((other < 1 - 1e-3).all())
    torch.testing.assert_close(identity(faces, -faces), 1 - other.mean())


def test_the_loss_pulls_the_first_picture_only() -> None:
    identity = Identity(tiny())
    a = (torch.rand(1, 3, 256, 256) * 2 - 1).requires_grad_()
    b = (torch.rand(1, 3, 256, 256) * 2 - 1).requires_grad_()
    identity(a, b).backward()
    assert a.grad is not None
    assert float(a.grad.abs().max()) > 0
    assert b.grad is None


def test_an_uncropped_picture_is_refused_with_the_way_out() -> None:
    with pytest.raises(ModelInputError, match=r"face_crop\(\)"):
        tiny()(torch.zeros(1, 3, 256, 256))
    with pytest.raises(ModelInputError, match=r"\(N, 3, S, S\)"):
        face_crop(torch.zeros(1, 3, 256, 128))
