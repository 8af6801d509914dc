"""What `attrs` shows of an attribute is what `edit` takes, for every sort of pack."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from models.packs.store import Store
from pipeline.editors import Pack
from pipeline.edits import Catalogue, resolve_edits
from pipeline.errors import UsageError
from pipeline.listings import attributes
from pipeline.loading import load_pack
from pipeline.request import Edit, EditRequest, Exemplar
from tests.models.weight_files import Desk, encoder_state, generator_state, merged

CPU = torch.device("cpu")


def resolved(text: str, pack: Pack, exemplar: Exemplar | None = None) -> Edit:
    request = EditRequest(Path("a.mp4"), (text,), exemplar=exemplar)
    (edit,) = resolve_edits(request, Catalogue(pack))
    return edit


def imported(folder: Path) -> Desk:
    """Import a pack with a direction that moves in steps of its own length."""
    desk = Desk(folder, Store(folder / "home"))
    desk.bring(desk.save("psp_faces.pt", merged(encoder_state(), generator_state())), pack="faces")
    desk.bring(desk.direction("grin.npy"), pack="faces")
    return desk


@pytest.mark.parametrize("name", ["portrait", "mini", "faces"])
def test_edit_takes_exactly_the_strengths_that_attrs_shows(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISAGIST_HOME", str(tmp_path / "home"))
    if name == "faces":
        imported(tmp_path)
    pack, rows = load_pack(name, CPU), attributes(name)
    assert [row["attribute"] for row in rows] == [a.name for a in Catalogue(pack).attributes]
    for row in rows:
        useful = [float(end) for end in row["useful"].split(" … ")]
        low, high = (float(end) for end in row["accepted"].split(" … "))
        assert low <= useful[0] <= 0 < useful[1] <= high
        taken = Exemplar(Path("other.png")) if row["attribute"] == "exemplar" else None
        for strength in (low, *useful, high):
            edit = resolved(f"{row['attribute']}={strength}", pack, exemplar=taken)
            assert (edit.attribute, edit.strength) == (row["attribute"], strength)
        for strength in (low - 0.01, high + 0.01):
            with pytest.raises(UsageError, match=f"accepted: {low:g} to {high:g}"):
                resolved(f"{row['attribute']}={strength}", pack)


def test_an_imported_direction_takes_more_than_three(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISAGIST_HOME", str(tmp_path / "home"))
    imported(tmp_path)
    row = attributes("faces")[0]
    assert (row["attribute"], row["useful"], row["accepted"]) == ("grin", "-10 … 10", "-10 … 10")
    assert resolved("grin=5", load_pack("faces", CPU)).strength == 5
