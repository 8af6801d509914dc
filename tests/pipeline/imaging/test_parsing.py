"""Masks from labels."""

from __future__ import annotations

import torch

from pipeline.imaging.parsing import REGIONS, region_mask

BACKGROUND, SKIN, EAR, NECK, CLOTH, HAIR, HAT = 0, 1, 8, 14, 16, 17, 18


def head() -> torch.Tensor:
    """A head in rows: hair above skin above neck, cloth below, an ear at one side."""
    labels = torch.zeros(1, 128, 128, dtype=torch.int64)
    labels[:, 20:50, 30:98] = HAIR
    labels[:, 50:90, 30:98] = SKIN
    labels[:, 60:70, 98:106] = EAR
    labels[:, 90:104, 50:80] = NECK
    labels[:, 104:128] = CLOTH
    return labels


def test_every_label_but_background_and_cloth_belongs_to_one_region() -> None:
    named = [label for labels in REGIONS.values() for label in labels]
    assert sorted(named) == sorted(set(range(HAT + 1)) - {BACKGROUND, CLOTH})


def test_a_mask_covers_the_regions_asked_for_and_no_other() -> None:
    hair = region_mask(head(), frozenset({"hair"}))[0, 0]
    assert hair[35, 64] == 1
    assert hair[70, 64] == 0
    both = region_mask(head(), frozenset({"hair", "face"}))[0, 0]
    assert both[50, 64] == 1, "no seam between two regions"
    assert both[65, 102] < 1
    assert both[98, 64] == 0
    assert region_mask(head(), frozenset({"ears"}))[0, 0, 65, 102] > 0.5


def test_it_is_soft_and_ends_before_the_border_of_the_square() -> None:
    everything = torch.full((1, 96, 96), HAIR)
    mask = region_mask(everything, frozenset({"hair"}))[0, 0]
    assert mask[48, 48] == 1
    rim = torch.cat([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    assert rim.max() == 0
    step = region_mask(head(), frozenset({"hair"}))[0, 0, :, 64]
    assert ((step > 0.02) & (step < 0.98)).sum() >= 4
