"""The pipeline and the parser of `models` mean the same by a label's number."""

from __future__ import annotations

from models.bisenet.labels import Label as Drawn
from pipeline.imaging.parsing import Label as Read

# The left and right of the network are not to be trusted; the pipeline calls them A and B.
SAME = {
    "L_BROW": "BROW_A",
    "R_BROW": "BROW_B",
    "L_EYE": "EYE_A",
    "R_EYE": "EYE_B",
    "L_EAR": "EAR_A",
    "R_EAR": "EAR_B",
    "U_LIP": "UPPER_LIP",
    "L_LIP": "LOWER_LIP",
}


def test_both_sides_of_the_seam_agree_on_the_labels() -> None:
    drawn = {SAME.get(label.name, label.name): int(label) for label in Drawn}
    assert drawn == {label.name: int(label) for label in Read}
