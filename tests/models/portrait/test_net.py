"""What a portrait promises about pixels, on a small model without training."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models.base import ModelInputError
from models.portrait import PortraitModel, load_portrait
from models.portrait.state import CLOSED
from models.portrait_movers import load_movers
from tests.models.portrait.tiny import tiny_portrait

SIDE = 200
SCALE = SIDE / 3.4
WIDEN, PART = 0, 1


@pytest.fixture(scope="module")
def model() -> PortraitModel:
    return tiny_portrait()


def crops(model: PortraitModel, count: int = 1, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Smooth random pictures with the drawn face's landmarks in the middle."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 25, 25, generator=generator) * 1.6 - 0.8
    images = torch.nn.functional.interpolate(coarse, size=(SIDE, SIDE), mode="bicubic").clamp(-1, 1)
    points = model.shape.mean[:68, :2] * SCALE + torch.tensor([SIDE / 2, SIDE / 2 - 0.36 * SCALE])
    jitter = torch.randn(count, 1, 2, generator=generator) * 2
    return images, points + jitter


def moved(w: Tensor, column: int, amount: float) -> Tensor:
    after = w.clone()
    after[:, column] += amount
    return after


def test_equal_codes_return_the_input_bit_for_bit(model: PortraitModel) -> None:
    images, landmarks = crops(model, 3)
    w, state = model.encode(images, landmarks)
    output, masks = model.render(images, landmarks, w, w.clone(), state)
    assert torch.equal(output, images)
    assert not masks.any()


def test_observed_states_are_those_of_an_encode_but_for_the_blur(model: PortraitModel) -> None:
    images, landmarks = crops(model, 3)
    state = model.encode(images, landmarks)[1]
    observed = model.observe(images, landmarks)
    assert torch.equal(observed[:, :-1], state[:, :-1])
    assert observed[:, -1].isnan().all()
    assert state.isfinite().all()


def test_only_rows_with_another_code_change(model: PortraitModel) -> None:
    images, landmarks = crops(model, 3)
    w, state = model.encode(images, landmarks)
    after = w.clone()
    after[1, WIDEN] += 2
    output, masks = model.render(images, landmarks, w, after, state)
    assert torch.equal(output[[0, 2]], images[[0, 2]])
    assert (output[1] - images[1]).abs().max() > 0.05
    assert masks.amax(dim=(1, 2, 3)).tolist() == [0.0, 1.0, 0.0]


def test_outside_the_mask_every_pixel_is_the_input(model: PortraitModel) -> None:
    images, landmarks = crops(model)
    w, state = model.encode(images, landmarks)
    output, masks = model.render(images, landmarks, w, moved(w, WIDEN, 3), state)
    outside = (masks == 0).expand_as(images)
    assert outside.any()
    assert torch.equal(output[outside], images[outside])


def test_the_mask_is_zero_along_the_crop_border(model: PortraitModel) -> None:
    images, landmarks = crops(model)
    w, state = model.encode(images, landmarks)
    for shift in (torch.tensor([0.0, 0.0]), torch.tensor([60.0, -40.0])):
        _, masks = model.render(images, landmarks + shift, w, moved(w, WIDEN, 3), state)
        border = torch.cat(
            [masks[..., 0, :], masks[..., -1, :], masks[..., :, 0], masks[..., :, -1]]
        )
        assert not border.any()


def test_the_result_does_not_depend_on_the_batch(model: PortraitModel) -> None:
    images, landmarks = crops(model, 4)
    w, state = model.encode(images, landmarks)
    after = moved(w, WIDEN, 2)
    after[2, PART] += 1.5
    together = model.render(images, landmarks, w, after, state)[0]
    for row in range(4):
        one = slice(row, row + 1)
        alone_w = model.encode(images[one], landmarks[one])[0]
        alone = model.render(images[one], landmarks[one], w[one], after[one], state[one])[0]
        assert torch.allclose(alone_w, w[one], atol=1e-4)
        assert torch.allclose(alone, together[one], atol=1e-4)


def test_the_result_does_not_depend_on_the_number_of_threads(model: PortraitModel) -> None:
    images, landmarks = crops(model, 2)
    results = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            w, state = model.encode(images, landmarks)
            results.append(model.render(images, landmarks, w, moved(w, WIDEN, 2), state)[0])
    finally:
        torch.set_num_threads(before)
    assert torch.allclose(results[0], results[1], atol=1e-4)


def test_a_dot_at_the_mouth_corner_moves_as_announced(model: PortraitModel) -> None:
    images, landmarks = crops(model)
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    corner = landmarks[0, 54]
    dot = torch.exp(-((x - corner[0]) ** 2 + (y - corner[1]) ** 2) / 18)
    images = (dot - 0.5).expand(1, 3, -1, -1).contiguous()
    model = tiny_portrait()
    model.layers.maps.zero_()
    model.smile_axis.zero_()
    w, state = model.encode(images, landmarks)
    state[:, CLOSED] = 0
    after = moved(w, WIDEN, 4)
    output, _ = model.render(images, landmarks, w, after, state)
    weight = (output[0, 0] + 0.5).clamp_min(0.1) - 0.1
    centre = torch.stack([(weight * x).sum(), (weight * y).sum()]) / weight.sum()
    announced = model.moved_landmarks(landmarks, w, after, state)[0, 54]
    assert (announced - corner)[0] > 4
    assert torch.allclose(centre, announced, atol=0.6)


def test_a_grid_of_cells_is_as_good_as_every_pixel(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same render with cells of one pixel: the thin plate evaluated at every pixel."""
    model, side = load_portrait(), 306
    face = model.shape.mean[:68, :2] * 90 + torch.tensor([153.0, 121.0])
    landmarks = face[None] + 0.8 * torch.randn(1, 68, 2, generator=torch.Generator().manual_seed(1))
    noise = torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(2)) * 1.6 - 0.8
    images = torch.nn.functional.interpolate(noise, size=(side, side), mode="bicubic").clamp(-1, 1)
    w, state = model.encode(images, landmarks)
    after = w + load_movers().mover("latent-transformer", "toothy-smile").direction(w)
    assert (model.moved_landmarks(landmarks, w, after, state) - landmarks).norm(dim=-1).max() > 2
    fast, _ = model.render(images, landmarks, w, after, state)
    monkeypatch.setattr("models.portrait.window._CELLS_PER_SIDE", side)
    plain, masks = model.render(images, landmarks, w, after, state)
    off = (fast - plain).abs()[masks.expand_as(fast) > 0] * 127.5
    assert off.mean() < 0.04
    assert off.quantile(0.999) < 1.5


def test_a_crop_cut_three_pixels_aside_has_the_same_code(model: PortraitModel) -> None:
    images, landmarks = crops(model)
    shifted = torch.roll(images, (3, 3), dims=(2, 3))
    w = model.encode(images, landmarks)[0]
    again = model.encode(shifted, landmarks + 3)[0]
    assert torch.allclose(w, again, atol=1e-3)


def test_teeth_are_drawn_only_between_lips_that_part(model: PortraitModel) -> None:
    images, landmarks = crops(model)
    landmarks[:, [61, 62, 63], 1] = landmarks[:, [67, 66, 65], 1]
    w, state = model.encode(images, landmarks)
    after = moved(w, PART, 0.8)
    state[:, CLOSED] = 1
    drawn = model.render(images, landmarks, w, after, state)[0]
    model.teeth.picture[0] -= 1
    try:
        other = model.render(images, landmarks, w, after, state)[0]
    finally:
        model.teeth.picture[0] += 1
    changed = (drawn - other).abs().amax(dim=1)[0] > 1e-3
    assert changed.any()
    lips = model.moved_landmarks(landmarks, w, after, state)[0, 48:68]
    rows, columns = changed.nonzero().unbind(dim=1)
    assert rows.min() >= lips[:, 1].min() - 1
    assert rows.max() <= lips[:, 1].max() + 1
    assert columns.min() >= lips[:, 0].min() - 1
    assert columns.max() <= lips[:, 0].max() + 1


def test_a_mouth_with_its_own_inside_gets_no_teeth(model: PortraitModel) -> None:
    images, landmarks = crops(model)
    w, state = model.encode(images, landmarks)
    after = moved(w, PART, 0.8)
    state[:, CLOSED] = 0
    first = model.render(images, landmarks, w, after, state)[0]
    model.teeth.picture[0] -= 1
    try:
        second = model.render(images, landmarks, w, after, state)[0]
    finally:
        model.teeth.picture[0] += 1
    assert torch.equal(first, second)


def test_gradients_reach_the_moved_code(model: PortraitModel) -> None:
    images, landmarks = crops(model)
    w, state = model.encode(images, landmarks)
    after = moved(w, WIDEN, 1).requires_grad_()
    output, _ = model.render(images, landmarks, w, after, state)
    output.square().mean().backward()
    assert after.grad is not None
    assert torch.isfinite(after.grad).all()
    assert after.grad[0, WIDEN] != 0


def test_a_profile_is_left_alone(model: PortraitModel) -> None:
    images, landmarks = crops(model)
    w, state = model.encode(images, landmarks)
    state[:, 2] = 1.2
    after = moved(w, WIDEN, 2)
    still = model.moved_landmarks(landmarks, w, after, state)
    assert torch.allclose(still, landmarks, atol=1e-4)


@pytest.mark.parametrize(
    ("images", "landmarks", "words"),
    [
        ((1, 1, 64, 64), (1, 68, 2), r"images must be \(N, 3, S, S\)"),
        ((1, 3, 64, 48), (1, 68, 2), r"images must be"),
        ((2, 3, 64, 64), (1, 68, 2), r"landmarks must be \(2, 68, 2\)"),
        ((1, 3, 64, 64), (1, 5, 2), r"landmarks must be"),
    ],
)
def test_wrong_shapes_are_named(
    model: PortraitModel, images: tuple[int, ...], landmarks: tuple[int, ...], words: str
) -> None:
    with pytest.raises(ModelInputError, match=words):
        model.encode(torch.zeros(images), torch.zeros(landmarks))


def test_codes_of_another_length_are_named(model: PortraitModel) -> None:
    images, landmarks = crops(model)
    w, state = model.encode(images, landmarks)
    with pytest.raises(ModelInputError, match="codes must both be"):
        model.render(images, landmarks, w[:, :3], w[:, :3], state)


def test_the_part_that_is_rendered_holds_all_that_changes(model: PortraitModel) -> None:
    images, landmarks = crops(model, 3)
    landmarks = landmarks + torch.tensor([0.0, 14.0, -9.0])[:, None, None]
    w, state = model.encode(images, landmarks)
    after = moved(w, WIDEN, 2)
    after[1] = w[1]
    output, masks = model.render(images, landmarks, w, after, state)
    rendered = model.render_part(images, landmarks, w, after, state)
    part, part_masks, (x, y) = rendered.images, rendered.masks, rendered.corner
    rows, columns = slice(y, y + part.shape[2]), slice(x, x + part.shape[3])
    assert part.shape[2] < SIDE
    assert torch.equal(output[:, :, rows, columns], part)
    assert torch.equal(masks[:, :, rows, columns], part_masks)
    assert torch.count_nonzero(masks) == torch.count_nonzero(part_masks)
    assert (output != images).sum() == (part != images[:, :, rows, columns]).sum() > 1000


def test_where_pixels_came_from_is_where_they_are_found(model: PortraitModel) -> None:
    images, landmarks = crops(model, 3)
    landmarks = landmarks + torch.tensor([0.0, 14.0, -9.0])[:, None, None]
    w, state = model.encode(images, landmarks)
    after = moved(w, WIDEN, 2)
    after[1] = w[1]
    # A ramp instead of a picture: what is found at a pixel says where it was taken from.
    line = torch.linspace(-0.6, 0.6, SIDE)
    ramp = torch.stack(
        [line.expand(SIDE, -1), line[:, None].expand(-1, SIDE), torch.zeros(SIDE, SIDE)]
    )
    unshaded = tiny_portrait()
    unshaded.layer_gain.zero_()
    rendered = unshaded.render_part(ramp.expand(3, -1, -1, -1), landmarks, w, after, state)
    (x, y), (height, width) = rendered.corner, rendered.masks.shape[2:]
    across, down = torch.arange(x, x + width), torch.arange(y, y + height)
    here = torch.stack(torch.meshgrid(across, down, indexing="xy"))
    found = (rendered.images[0, :2] / 1.2 + 0.5) * (SIDE - 1) - here
    inside = rendered.masks[0, 0] > 0
    assert torch.count_nonzero(rendered.shifts[1]) == 0
    assert float(rendered.shifts[0].abs().max()) > 1
    off = (found - rendered.shifts[0]).abs().amax(0)[inside]
    assert float((off < 0.1).float().mean()) > 0.97, "all but the teeth that are drawn"
