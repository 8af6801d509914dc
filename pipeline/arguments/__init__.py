"""What can be typed, and how it becomes a request; nothing runs here."""

from __future__ import annotations

from .commands import command_line, parse
from .requests import factors_of, options_of, request_of

__all__ = ["command_line", "factors_of", "options_of", "parse", "request_of"]
