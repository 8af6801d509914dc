"""LPIPS: a distance between pictures that follows the eye (CARD.md)."""

from __future__ import annotations

from .net import NETWORKS, Lpips, Network, expected_heads, expected_trunk, load, tiny

__all__ = ["NETWORKS", "Lpips", "Network", "expected_heads", "expected_trunk", "load", "tiny"]
