"""The 40 CelebA attributes in the order of the published classifier and transformers, by plain
names.

Index = position of the classifier's logit = number in the transformer's file name. Strengths are
multiples of α; the published pictures use −1.5 … 1.5, with less where an attribute overshoots.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..attributes import Attribute, FacePart, Region
from ..base import ModelInputError

_FACE: Final[tuple[Region, ...]] = ("face",)
_HAIR: Final[tuple[Region, ...]] = ("face", "hair")
_HEAD: Final[tuple[Region, ...]] = ("face", "hair", "hat")
_EARS: Final[tuple[Region, ...]] = ("face", "hair", "ears")
_NECK: Final[tuple[Region, ...]] = ("face", "neck")
_JAW: Final[tuple[Region, ...]] = ("face", "ears", "hair")
_MOUTH: Final[tuple[FacePart, ...]] = ("mouth",)
_EYES: Final[tuple[FacePart, ...]] = ("eyes",)


@dataclass(frozen=True, slots=True)
class CelebaAttribute:
    """One attribute of the published models, and its place in their files."""

    index: int
    """Position of the logit, number of the file: 0 … 39."""
    label: str
    """Name in CelebA."""
    attribute: Attribute
    sign: int = 1
    """−1 where the plain name is the opposite of the label: `beard` and No_Beard."""


def _a(
    index: int,
    label: str,
    name: str,
    summary: str,
    *aliases: str,
    sign: int = 1,
    regions: tuple[Region, ...] = _FACE,
    needs: tuple[FacePart, ...] = (),
    high: float = 1.5,
    experimental: bool = False,
) -> CelebaAttribute:
    """Return one row of the table; the strength range is symmetric."""
    attribute = Attribute(name, summary, aliases, -high, high, experimental, regions, needs)
    return CelebaAttribute(index, label, attribute, sign)


CELEBA_ATTRIBUTES: Final[tuple[CelebaAttribute, ...]] = (
    _a(0, "5_o_Clock_Shadow", "stubble", "beard shadow", "five-o-clock-shadow", needs=_MOUTH),
    _a(1, "Arched_Eyebrows", "arched-eyebrows", "eyebrows more arched"),
    _a(2, "Attractive", "attractive", "what raters call attractive", experimental=True),
    _a(3, "Bags_Under_Eyes", "eye-bags", "bags under the eyes", needs=_EYES),
    _a(4, "Bald", "bald", "less or no hair on the head", regions=_HAIR),
    _a(5, "Bangs", "bangs", "hair over the forehead", "fringe", regions=_HAIR),
    _a(6, "Big_Lips", "big-lips", "fuller lips", "full-lips", needs=_MOUTH),
    _a(7, "Big_Nose", "big-nose", "a larger nose"),
    _a(8, "Black_Hair", "black-hair", "black hair", regions=_HAIR),
    _a(9, "Blond_Hair", "blond-hair", "blond hair", "blonde-hair", regions=_HAIR),
    _a(10, "Blurry", "blurry", "a blurred picture", regions=_HAIR, experimental=True),
    _a(11, "Brown_Hair", "brown-hair", "brown hair", regions=_HAIR),
    _a(12, "Bushy_Eyebrows", "bushy-eyebrows", "thicker eyebrows", "thick-eyebrows"),
    _a(13, "Chubby", "chubby", "fuller cheeks and chin", "weight", "fat", regions=_NECK, high=1.0),
    _a(14, "Double_Chin", "double-chin", "a double chin", regions=_NECK),
    _a(
        15,
        "Eyeglasses",
        "glasses",
        "glasses on",
        "eyeglasses",
        "spectacles",
        regions=_JAW,
        needs=_EYES,
    ),
    _a(16, "Goatee", "goatee", "a beard on the chin", needs=_MOUTH),
    _a(17, "Gray_Hair", "gray-hair", "grey hair", "grey-hair", regions=_HAIR),
    _a(18, "Heavy_Makeup", "makeup", "more make-up", "heavy-makeup", "make-up"),
    _a(19, "High_Cheekbones", "high-cheekbones", "higher cheekbones", "cheekbones"),
    _a(20, "Male", "gender", "more masculine", "male", "masculine", regions=_HAIR),
    _a(21, "Mouth_Slightly_Open", "open-mouth", "the mouth opens", "mouth-open", needs=_MOUTH),
    _a(22, "Mustache", "mustache", "a moustache", "moustache", needs=_MOUTH),
    _a(23, "Narrow_Eyes", "narrow-eyes", "narrower eyes", needs=_EYES),
    _a(24, "No_Beard", "beard", "a beard", "bearded", sign=-1, regions=_JAW, needs=_MOUTH),
    _a(25, "Oval_Face", "oval-face", "a more oval face", regions=_NECK),
    _a(26, "Pale_Skin", "pale-skin", "paler skin", "pale", regions=_NECK),
    _a(27, "Pointy_Nose", "pointy-nose", "a more pointed nose"),
    _a(28, "Receding_Hairline", "receding-hairline", "a higher hairline", regions=_HAIR),
    _a(29, "Rosy_Cheeks", "rosy-cheeks", "rosier cheeks"),
    _a(30, "Sideburns", "sideburns", "hair in front of the ears", regions=_JAW),
    _a(31, "Smiling", "smile", "a smile", "smiling", "happy", needs=_MOUTH),
    _a(32, "Straight_Hair", "straight-hair", "straighter hair", regions=_HAIR),
    _a(33, "Wavy_Hair", "wavy-hair", "wavier hair", "curly-hair", regions=_HAIR),
    _a(34, "Wearing_Earrings", "earrings", "earrings on", regions=_EARS),
    _a(35, "Wearing_Hat", "hat", "a hat on", regions=_HEAD),
    _a(36, "Wearing_Lipstick", "lipstick", "more lipstick", needs=_MOUTH),
    _a(37, "Wearing_Necklace", "necklace", "a necklace on", regions=_NECK),
    _a(38, "Wearing_Necktie", "necktie", "a tie on", "tie", regions=_NECK),
    _a(39, "Young", "age", "older", "old", "older", sign=-1, regions=_HAIR),
)
"""All 40, by index."""


def celeba_attribute(name: str) -> CelebaAttribute:
    """Return the attribute of a plain name, an alias, a CelebA label, or an index as text.

    Raises:
        ModelInputError: nothing is called so.
    """
    typed = name.lower()
    for row in CELEBA_ATTRIBUTES:
        attribute = row.attribute
        if typed in (attribute.name, row.label.lower(), str(row.index), *attribute.aliases):
            return row
    names = ", ".join(row.attribute.name for row in CELEBA_ATTRIBUTES)
    raise ModelInputError(f"no CelebA attribute {name!r}; accepted: {names}")
