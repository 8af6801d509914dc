"""An argument parser that speaks as the rest of the program does."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from ..console import show
from ..errors import UsageError


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are UsageErrors, and that takes no shortened options."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print and exit with."""
        raise UsageError(f"{message}; see `{self.prog} --help`")

    def print_help(self, file: object = None) -> None:
        """Show the help; argparse itself would not notice that nobody gets it."""
        del file
        show(self.format_help().rstrip())


class ShowVersion(argparse.Action):
    """Shows the version, and ends."""

    def __init__(self, option_strings: Sequence[str], dest: str, version: str = "") -> None:
        super().__init__(option_strings, dest, nargs=0, help="show the version, and end")
        self.version = version

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Show it; argparse itself would not notice that nobody gets it."""
        show(self.version)
        parser.exit()


_NAME_WITH_DASH = re.compile(r"-[^=]*\.[A-Za-z]\w{1,4}")
"""An argument that begins like an option and ends like a file."""


def dash_hint(arguments: Sequence[str]) -> str:
    """Return what to say of the first argument that looks like a file whose name begins with a
    dash, so that it was taken for an option; '' if there is none."""
    for argument in arguments:
        if _NAME_WITH_DASH.fullmatch(argument):
            return f"; if {argument} is a file, write ./{argument}"
    return ""
