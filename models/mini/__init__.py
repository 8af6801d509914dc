"""A small face generator and its encoder, trained here on synthetic faces, and their recipe."""

from .encoder import SmallEncoder, SmallInverter

__all__ = ["SmallEncoder", "SmallInverter"]
