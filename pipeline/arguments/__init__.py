"""What can be typed, and how it becomes a request; nothing runs here."""

from __future__ import annotations

from .commands import command_line, parse
from .requests import analysis_of, factors_of, render_of, request_of

__all__ = ["analysis_of", "command_line", "factors_of", "parse", "render_of", "request_of"]
