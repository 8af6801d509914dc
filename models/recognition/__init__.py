"""Is it still the same person? Recognisers, and dlib's network read from its file (CARD.md)."""

from __future__ import annotations

from .judge import Recogniser, ResnetRecogniser, open_recogniser, packaged_file

__all__ = [
    "Recogniser",
    "ResnetRecogniser",
    "open_recogniser",
    "packaged_file",
]
