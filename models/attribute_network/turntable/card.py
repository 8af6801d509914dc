"""The card of a turntable: what it is and what it is not, as text and as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from ...files import write_whole
from .folder import FORMAT, Options, Split
from .lighting import AMBIENT, FLASH, lamps
from .studio import CHIN_Y, EYES_Y, YAWS
from .worn import STATES

_IS: Final = """\
Heads of the ICT Face Model Light (100 modes of shape) fitted to the 68 points of synthetic faces \
and painted from their pictures, drawn by a z-buffer.
Every picture of a face under another light or with another thing on is exact: nothing but that \
differs, to the pixel. Lights add up in linear light.
From other sides too it is the same head; only the small errors of an annotator who marks eyes and \
chin differ.\
""".splitlines()
_IS_NOT: Final = """\
No photographs, no real persons, and not MultiPIE or CAS-PEAL: figures on it do not compare with \
figures on those.
Skin is matt with a little shine, light is white, lamps are far away: no light is scattered below \
the skin or thrown from one part to another.
Shine, make-up and small shadows of the pictures stay in the skin; very one-sided light leaves \
some of itself.
Hair is two sheets bent round the head: strands do not move against each other, and what no \
picture shows (the sides and the back of the head) is painted with hair from where it is seen.
Faces keep the expression of their picture. Teeth are those of the model.
Faces that wear glasses or hats of their own, are turned by more than 16°, or are fitted badly, do \
not sit.\
""".splitlines()
_LICENCE: Final = "CC BY-NC-SA 4.0"


def write_card(folder: Path, split: Split, options: Options) -> None:
    """Write CARD.md and card.json into a turntable."""
    facts = {
        "format": FORMAT,
        "licence": _LICENCE,
        "made_from": ["data/omi (CC BY-NC-SA 4.0)", "ICT Face Model Light (MIT)"],
        "faces": {"train": len(split.train), "test": len(split.test)},
        "seed": options.seed,
        "yaws_deg": list(YAWS),
        "lights": len(lamps()),
        "flash_and_ambient": [FLASH, AMBIENT],
        "worn": list(STATES),
        "captures": options.captures,
        "eyes_and_chin": [EYES_Y, CHIN_Y],
        "is": _IS,
        "is_not": _IS_NOT,
    }
    write_whole(folder / "card.json", json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    write_whole(folder / "CARD.md", _text(split, options))


def _text(split: Split, options: Options) -> str:
    count = len(split.order) * len(YAWS) * len(lamps())
    return f"""\
# Turntable

{len(split.train)} faces to learn from and {len(split.test)} to measure on, from {len(YAWS)} sides
under {len(lamps())} lights ({count:,} pictures), and wearing {", ".join(STATES[1:])}
({options.captures} captures each). Seed {options.seed}.

## What it is

{_listed(_IS)}

## What it is not

{_listed(_IS_NOT)}

## Licence

{_LICENCE}: made from `data/omi` (Peterson, Uddenberg, Griffiths, Todorov, Suchow, *PNAS* 2022).
The head is the ICT Face Model Light, Copyright (c) 2020 USC Institute for Creative Technologies,
MIT licence.
"""


def _listed(sentences: list[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)
