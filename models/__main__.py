"""`rehash`: after a retraining, write the new SHA-256 sums into `weights.toml`."""

from __future__ import annotations

import re
import sys

from .files import write_whole
from .weights import card_tables, embedded, sha256_of


def rehash() -> None:
    """Rewrite the sums in every `weights.toml` from the files that lie there now."""
    for table in card_tables():
        text = table.read_text(encoding="utf-8")
        for name, card in embedded().items():
            section = rf'(\[{name}\][^\[]*?sha256 = ")[^"]*'
            text = re.sub(section, rf"\g<1>{sha256_of(card.path)}", text)
        write_whole(table, text)


if __name__ == "__main__":
    if sys.argv[1:] != ["rehash"]:
        print(f"usage: python -m {__package__} rehash", file=sys.stderr)
        raise SystemExit(2)
    rehash()
