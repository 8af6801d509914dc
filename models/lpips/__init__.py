"""LPIPS: a distance between pictures that follows the eye (CARD.md)."""

from __future__ import annotations

from .net import Lpips, Network, load, tiny

__all__ = ["Lpips", "Network", "load", "tiny"]
