"""What a user trained is added to the packs of the program, and never stands in their way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.directions.__main__ import main as directions
from models.latent_transformer import MoverFacts, WPlusTransformer, save_mover
from models.packs.layers import LAYER_NAME, Layer, codes_of, shape_of
from models.packs.store import Store
from models.portrait import LOOK_LENGTH
from models.portrait_movers import DEFAULT_FILE, load_movers
from pipeline.cli import main
from pipeline.edits import Catalogue, cautions, resolve_edits
from pipeline.errors import UsageError
from pipeline.loading import load_pack
from pipeline.request import EditRequest

CPU = torch.device("cpu")
MINI = Path(__file__).parents[1] / "models/mini"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("VISAGIST_HOME", str(tmp_path / "home"))
    return Store(tmp_path / "home")


def fitted(folder: Path, base: str, name: str = "grin") -> str:
    """Fit a direction with the README's own command, for the codes of a pack of the program."""
    rows, numbers = shape_of(base)
    rng = np.random.default_rng(0)
    w = rng.standard_normal((300, rows, numbers)).astype(np.float32)
    labels = w[:, 0, :1] + 0.1 * rng.standard_normal((300, 1)).astype(np.float32)
    np.savez(folder / "codes.npz", w=w, labels=labels, names=np.array([name]))
    out = str(folder / f"{name}.safetensors")
    told = ["--codes", str(folder / "codes.npz"), "--attr", name, "--generator", codes_of(base)]
    assert directions(["fit-boundary", *told, "--out", out]) == 0
    return out


@pytest.mark.parametrize("base", ["portrait", "mini"])
def test_a_direction_fitted_for_a_pack_of_the_program_edits_with_it(
    base: str,
    store: Store,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    clip_of: Callable[..., Path],
    astronaut: list[NDArray[np.uint8]],
) -> None:
    file = fitted(tmp_path, base)
    capsys.readouterr()
    assert main(["models", "import", file, "--as", base]) == 0
    shown = capsys.readouterr().out
    assert f"next: visagist edit VIDEO --pack {base} --attr grin --editor direction" in shown
    clip = clip_of(tmp_path / "clip.mp4", astronaut[:2])
    report = tmp_path / "report.json"
    command = ["edit", str(clip), "--pack", base, "--attr", "grin=4", "--editor", "direction"]
    assert main([*command, "--report", str(report)]) == 0
    (card,) = store.cards().values()
    written = report.read_text(encoding="utf-8")
    assert card.sha256 in written
    assert '"attribute": "grin"' in written


def test_what_is_bound_to_a_pack_of_the_program_goes_there_by_itself(
    store: Store, tmp_path: Path
) -> None:
    for base in ("portrait", "mini"):
        assert main(["models", "import", fitted(tmp_path, base, f"{base}s-grin")]) == 0
    assert {p.name: p.generator for p in store.read_packs().values() if isinstance(p, Layer)} == {
        base: codes_of(base) for base in ("mini", "portrait")
    }
    assert not (MINI / LAYER_NAME).exists()


def test_a_transformer_stands_in_for_the_packs_own_of_that_name(
    store: Store, tmp_path: Path
) -> None:
    rows, numbers = shape_of("mini")
    before = load_pack("mini", CPU)
    torch.manual_seed(0)
    facts = MoverFacts("smile", generator=codes_of("mini"))
    save_mover(tmp_path / "mine.safetensors", WPlusTransformer(rows, numbers), facts)
    assert main(["models", "import", str(tmp_path / "mine.safetensors"), "--as", "mini"]) == 0
    after = load_pack("mini", CPU)
    assert after.attributes == before.attributes
    w, strength = torch.randn(1, rows, numbers), torch.ones(1)
    own, mine = (p.mover("latent-transformer", "smile")(w, strength) for p in (before, after))
    assert not torch.allclose(own, mine)
    assert torch.equal(
        before.mover("direction", "smile")(w, strength),
        after.mover("direction", "smile")(w, strength),
    )


def test_the_portraits_own_file_of_movers_can_be_added(store: Store) -> None:
    assert main(["models", "import", str(DEFAULT_FILE), "--as", "portrait"]) == 0
    pack, movers = load_pack("portrait", CPU), load_movers(DEFAULT_FILE)
    length = shape_of("portrait")[1]
    w, strength = torch.randn(2, 1, length + LOOK_LENGTH), torch.tensor([1.0, -0.5])
    code = w[:, 0, :length]
    for editor in ("latent-transformer", "direction"):
        for attribute in ("smile", "age"):
            moved = pack.mover(editor, attribute)(w, strength)
            own = movers.mover(editor, attribute)(code, strength)
            assert torch.allclose(moved[:, 0, : code.shape[1]], own, atol=1e-6)
            assert torch.equal(moved[:, 0, code.shape[1] :], w[:, 0, code.shape[1] :])
    (card,) = store.cards().values()
    assert f"portrait/{card.name}.safetensors" in pack.hashes


def test_what_does_not_move_the_codes_of_a_pack_of_the_program_is_refused(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "grin.npy", np.ones((1, 512)))
    for file, base, words in (
        (str(MINI / "generator.safetensors"), "mini", "cannot be put into 'mini'"),
        (str(tmp_path / "grin.npy"), "mini", "those of 'mini' have 12 of 128"),
        (fitted(tmp_path, "mini"), "portrait", "those of 'portrait' have 1 of"),
    ):
        capsys.readouterr()
        assert main(["models", "import", file, "--as", base]) != 0
        assert words in capsys.readouterr().err
    assert not store.home.exists() or not store.layer_names()


@pytest.mark.parametrize("harm", ["layer", "other codes", "weights", "gone"])
def test_a_damaged_layer_is_said_and_the_pack_works_without_it(
    harm: str, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["models", "import", fitted(tmp_path, "mini"), "--as", "mini"])
    (card,) = store.cards().values()
    layer, weights = store.packs / "mini" / LAYER_NAME, store.path_of(card.name)
    if harm == "layer":
        layer.write_text("format = 1\nname = [", encoding="utf-8")
    elif harm == "other codes":
        text = layer.read_text(encoding="utf-8").replace(codes_of("mini"), "0" * 16)
        layer.write_text(text, encoding="utf-8")
    elif harm == "weights":
        weights.write_bytes(weights.read_bytes()[:-4] + b"zzzz")
    else:
        weights.unlink()
    pack = load_pack("mini", CPU)
    (edit,) = resolve_edits(EditRequest(Path("a.mp4"), ("smile",)), Catalogue(pack))
    assert "visagist models remove mini" in cautions([edit], pack)[0]
    with pytest.raises(UsageError, match=r"unknown attribute 'grin'.*models remove mini"):
        resolve_edits(EditRequest(Path("a.mp4"), ("grin",)), Catalogue(pack))
    capsys.readouterr()
    assert main(["models", "verify"]) != 0
    assert any(
        line.startswith("mini ") and "damaged" in line
        for line in capsys.readouterr().out.splitlines()
    )
    assert main(["models", "list"]) == 0
    assert main(["models", "remove", "mini"]) == 0
    assert not store.layer_names()
    assert "left aside" not in load_pack("mini", CPU).settings


def test_a_layer_is_removed_with_its_weights_and_the_pack_stays(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["models", "import", fitted(tmp_path, "mini"), "--as", "mini"])
    (name,) = store.names()
    assert main(["models", "remove", name]) != 0
    assert "is used by the pack mini; remove that first" in capsys.readouterr().err
    assert main(["models", "remove", "mini"]) == 0
    assert (store.names(), store.layer_names()) == ([], [])
    assert "grin" not in [a.name for a in load_pack("mini", CPU).attributes]
    assert main(["models", "remove", "mini"]) != 0
    assert "part of the program" in capsys.readouterr().err
