"""Log channels and masked textures."""

from __future__ import annotations

import torch

from models.portrait.texture import (
    CHROMA_SIDE,
    LOG_OFFSET,
    LUMA_SIDE,
    sample_texture,
    to_log_channels,
    to_log_rgb,
)
from tests.models.portrait.tiny import tiny_portrait


def test_log_channels_lead_back_to_the_colours() -> None:
    images = torch.rand(2, 3, 5, 7, generator=torch.Generator().manual_seed(0)) * 2 - 1
    logs = to_log_rgb(to_log_channels(images))
    assert torch.allclose(2 * (logs.exp() - LOG_OFFSET) - 1, images, atol=1e-5)


def test_a_brighter_light_moves_luma_and_leaves_ratios() -> None:
    light = torch.full((1, 3, 2, 2), -0.2)
    light[:, 0] = 0.1
    brighter = (light + 1 + 2 * LOG_OFFSET) * 1.3 - 1 - 2 * LOG_OFFSET
    change = to_log_channels(brighter) - to_log_channels(light)
    assert torch.allclose(change[:, 0], torch.tensor(1.3).log(), atol=1e-5)
    assert torch.allclose(change[:, 1:], torch.zeros(1), atol=1e-5)


def test_code_and_difference_are_inverse_on_the_basis() -> None:
    texture = tiny_portrait().texture
    change = torch.tensor([[1.0, -0.5, 0.0, 2.0]])
    maps = texture.decode_difference(change)
    luma = maps[:, 0].flatten(1)[:, texture.luma_mask]
    split = luma.shape[1]
    expected = (change * texture.sigma) @ texture.basis[:, :split]
    assert torch.allclose(luma, expected, atol=1e-5)
    outside = ~texture.luma_mask.reshape(LUMA_SIDE, LUMA_SIDE)
    assert not maps[0, 0][outside].any()


def test_masks_are_mirror_symmetric() -> None:
    texture = tiny_portrait().texture
    for mask, side in ((texture.luma_mask, LUMA_SIDE), (texture.chroma_mask, CHROMA_SIDE)):
        picture = mask.reshape(side, side)
        assert torch.equal(picture, picture.flip(1))


def test_a_fine_picture_is_averaged_before_it_is_sampled() -> None:
    checker = (torch.arange(64)[:, None] + torch.arange(64)) % 2 * 2.0 - 1
    y, x = torch.meshgrid(torch.linspace(8, 56, 64), torch.linspace(8, 56, 64), indexing="ij")
    field = torch.stack([x, y], dim=-1)[None]
    sampled = sample_texture(checker.expand(1, 3, 64, 64), field, 8, 4.0)
    assert sampled.abs().max() < 0.01


def box_blurred(image: torch.Tensor, width: int) -> torch.Tensor:
    """Three box filters: nearly a Gaussian."""
    for _ in range(3):
        image = torch.nn.functional.avg_pool2d(image, width, 1, width // 2, count_include_pad=False)
    return image


def test_blur_is_read_from_a_blurred_picture() -> None:
    model = tiny_portrait()
    generator = torch.Generator().manual_seed(4)
    sharp = torch.rand(1, 1, 204, 204, generator=generator).expand(1, 3, -1, -1) * 1.6 - 0.8
    soft = box_blurred(sharp, 5)
    softer = box_blurred(soft, 11)
    vertices = (model.shape.mean[:, :2] * 60 + torch.tensor([102.0, 80.0]))[None]
    read = [
        float(model.texture.softness(model.texture.sampled(i, vertices, 60.0)))
        for i in (sharp, soft, softer)
    ]
    assert read[0] < read[1] < read[2] < 0.0501
    assert read[0] < 1e-6


def test_a_decoded_face_has_the_texture_and_the_light_it_was_encoded_with() -> None:
    texture = tiny_portrait().texture
    generator = torch.Generator().manual_seed(1)
    code = 0.3 * torch.randn(2, texture.components, generator=generator)
    photo = 0.3 * torch.randn(2, 3, generator=generator)
    face = to_log_channels(texture.decode(code, photo))
    plain = to_log_channels(texture.decode(torch.zeros_like(code), photo))
    inside = texture.luma_mask.reshape(LUMA_SIDE, LUMA_SIDE)
    wanted = texture.decode_difference(code)
    unclipped = (texture.decode(code, photo).abs() < 1).all(dim=1)
    unclipped &= (texture.decode(torch.zeros_like(code), photo).abs() < 1).all(dim=1)
    seen = (unclipped & inside)[:, None].expand_as(face)
    assert seen.any()
    assert torch.allclose((face - plain)[seen], wanted[seen], atol=1e-4)
