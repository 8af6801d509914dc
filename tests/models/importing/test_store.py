"""The store: what is in it is complete, or it is not in it."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest
import safetensors
import torch

from models import tensorfile
from models.attributes import Attribute
from models.base import ModelError, PackError, WeightsError
from models.files import locked
from models.home import default_home
from models.importing.bring import bring
from models.packs.cards import Card, card_of
from models.packs.packfile import read_pack_file, write_pack_file
from models.packs.store import Store
from models.parts import Facts, Licence, Part
from tests.models.weight_files import Desk
from tests.style_pack import write_tiny_pack

ROOT = Path(__file__).resolve().parents[3]


ATTRIBUTE = Attribute("x", aliases=("a", "b"), low=-1.5, regions=("face", "hair"))


def _part(value: float = 1.0) -> Part:
    facts = Facts(layers=18, code=512, attribute=ATTRIBUTE, rows=(0, 11))
    tensors = {"vector": torch.full((18, 512), value)}
    return Part("direction", "a direction", "direction-x", tensors, Licence("CC0", True), facts)


def _put(store: Store, part: Part | None = None) -> Card:
    part = part or _part()
    card = card_of(part, Path("x.npy"), "0" * 64)
    store.put(part, card)
    return card


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home")


def test_a_written_file_is_what_the_library_reads_and_its_hash_is_known(tmp_path: Path) -> None:
    tensors = {
        "half": torch.arange(3).half(),
        "empty": torch.zeros(0, 4),
        "transposed": torch.arange(6.0).reshape(2, 3).T,
        "scalar": torch.tensor(5),
        "bfloat": torch.ones(2, 2).bfloat16(),
        "flag": torch.tensor([True, False]),
        "double": torch.ones(1).double(),
    }
    path = tmp_path / "a.safetensors"
    tensorfile.write_tensors(path, tensors, {"title": "ü"})
    with safetensors.safe_open(path, framework="pt") as file:
        assert file.metadata() == {"title": "ü"}
        assert {k: file.get_tensor(k).tolist() for k in tensors} == {
            k: v.tolist() for k, v in tensors.items()
        }
    data = path.read_bytes()
    assert tensorfile.size_of(tensors, {"title": "ü"}) == len(data)
    assert tensorfile.hash_of(tensors, {"title": "ü"}) == hashlib.sha256(data).hexdigest()
    reordered = dict(reversed(tensors.items()))
    assert tensorfile.hash_of(reordered, {"title": "ü"}) == hashlib.sha256(data).hexdigest()


def test_a_card_comes_back_as_it_was_written(store: Store) -> None:
    card = _put(store)
    assert store.cards() == {card.name: card}
    assert card.name == f"direction-x-{card.sha256[:8]}"
    assert [f.state for f in store.verify()] == ["ok"]


def test_damage_is_found(store: Store) -> None:
    card, other = _put(store), _put(store, _part(2.0))
    path = store.path_of(card.name)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    store.path_of(other.name).unlink()
    found = {f.name: f for f in store.verify()}
    assert found[card.name].state == "damaged"
    assert "import x.npy again" in found[card.name].note
    assert found[other.name].state == "missing"


def test_a_damaged_card_is_named(store: Store) -> None:
    card = _put(store)
    (store.weights / f"{card.name}.toml").write_text("role = 3")
    with pytest.raises(WeightsError, match=rf"card .*{card.name}\.toml cannot be read"):
        store.cards()
    assert [f.state for f in store.verify()] == ["damaged", "left over"]
    _put(store, _part(2.0))
    assert store.remove(card.name) == [card.name]
    assert [f.state for f in store.verify()] == ["ok"]


@pytest.mark.parametrize(
    ("line", "other"),
    [
        ("bytes = ", 'bytes = "many"'),
        ("bytes = ", f"bytes = {'9' * 5000}"),
        ("title = ", "title = 3"),
        ("title = ", "title = " + "[" * 100_000),
        ("commercial = ", "commercial = 1"),
    ],
    ids=["text for bytes", "digits", "number for title", "deep", "number for yes"],
)
def test_a_card_with_a_value_of_another_type_is_damaged(
    store: Store, line: str, other: str
) -> None:
    card = _put(store)
    path = store.weights / f"{card.name}.toml"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(other if text.startswith(line) else text for text in lines))
    assert other in path.read_text()
    with pytest.raises(WeightsError, match="cannot be read"):
        store.cards()
    assert store.cards(damaged_too=False) == {}


def test_a_home_that_no_user_has_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISAGIST_HOME", "~nobody-of-this-name/x")
    with pytest.raises(ModelError, match="VISAGIST_HOME is '~nobody-of-this-name/x'"):
        default_home()


def test_a_damaged_card_does_not_keep_its_weights_from_coming_in_again(
    store: Store, tmp_path: Path
) -> None:
    desk = Desk(tmp_path, store)
    (first,) = desk.bring(desk.generator()).brought
    (store.weights / f"{first.card.name}.toml").write_text("role = 3")
    (again,) = desk.bring(desk.generator()).brought
    assert again.is_new
    assert [f.state for f in store.verify()] == ["ok"]


def test_a_damaged_pack_can_be_removed(store: Store, tmp_path: Path) -> None:
    desk = Desk(tmp_path, store)
    (generator,) = desk.bring(desk.generator(), pack="one").brought
    (store.packs / "one" / "pack.toml").write_text("format = 7")
    assert {f.name: f.state for f in store.verify()}["one"] == "damaged"
    assert store.remove("one") == ["one"]
    assert store.remove(generator.card.name) == [generator.card.name]


def test_weights_in_use_are_not_removed_and_a_pack_takes_its_own_along(
    store: Store, tmp_path: Path
) -> None:
    desk = Desk(tmp_path, store)
    (generator,) = desk.bring(desk.generator(), pack="one").brought
    (mover,) = desk.bring(desk.transformer(), pack="one").brought
    desk.bring(generator.card.name, pack="two")
    with pytest.raises(
        WeightsError, match=r"used by the pack one; remove that first: .* remove one$"
    ):
        store.remove(mover.card.name)
    assert store.remove("one") == ["one", mover.card.name]
    assert store.pack_names() == ["two"]
    assert store.remove("two") == ["two", generator.card.name]
    assert [p for p in store.home.rglob("*") if p.is_file()] == []
    with pytest.raises(WeightsError, match="nothing called 'two' was imported; there is nothing"):
        store.remove("two")


def test_a_pack_whose_weights_are_gone_is_found(store: Store, tmp_path: Path) -> None:
    desk = Desk(tmp_path, store)
    (generator,) = desk.bring(desk.generator(), pack="one").brought
    (store.weights / f"{generator.card.name}.toml").unlink()
    states = {f.name: f.state for f in store.verify()}
    assert states == {"one": "missing", f"{generator.card.name}.safetensors": "left over"}


def test_a_pack_put_there_by_hand_with_files_of_its_own_is_verified(store: Store) -> None:
    def found() -> tuple[str, str]:
        (finding,) = store.verify()
        assert finding.name == "own"
        return finding.state, finding.note

    folder = write_tiny_pack(store.packs / "own")
    assert found() == ("ok", "complete")
    pack = read_pack_file(folder)
    generator = dataclasses.replace(pack.generator, sha256="0" * 64)
    write_pack_file(dataclasses.replace(pack, generator=generator), folder)
    state, note = found()
    assert state == "damaged"
    assert "generator.safetensors: SHA-256" in note
    (folder / "movers.safetensors").unlink()
    state, note = found()
    assert state == "missing"
    assert "movers.safetensors" in note


def test_of_two_imports_into_one_pack_at_the_same_time_none_is_lost(
    store: Store, tmp_path: Path
) -> None:
    desk = Desk(tmp_path, store)
    desk.bring(desk.generator(), pack="one")

    class Slow(Store):
        """While it looks for space, another import runs from beginning to end."""

        def check_space(self, needed: int) -> None:
            desk.bring(desk.transformer(), pack="one")

    direction = desk.direction("age.npy")
    with pytest.raises(PackError, match=r"changed the pack 'one' meanwhile; run the same import"):
        bring([direction], Slow(store.home), pack="one")
    assert [m.attribute for m in read_pack_file(store.packs / "one").movers] == ["smile"]
    assert [f.state for f in store.verify()] == ["ok"] * 4
    desk.bring(direction, pack="one")
    assert [m.attribute for m in read_pack_file(store.packs / "one").movers] == ["smile", "age"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs locks on folders")
def test_an_import_waits_for_another_that_writes_a_pack(store: Store, tmp_path: Path) -> None:
    desk = Desk(tmp_path, store)
    desk.bring(desk.generator(), pack="one")
    transformer = desk.transformer()
    ended = threading.Event()

    def second() -> None:
        desk.bring(transformer, pack="one")
        ended.set()

    with locked(store.packs):
        thread = threading.Thread(target=second)
        thread.start()
        assert not ended.wait(0.3)
        assert read_pack_file(store.packs / "one").movers == ()
    thread.join(timeout=60)
    assert [m.attribute for m in read_pack_file(store.packs / "one").movers] == ["smile"]


def test_what_is_left_of_an_import_does_not_keep_a_pack_alive(store: Store, tmp_path: Path) -> None:
    desk = Desk(tmp_path, store)
    desk.bring(desk.generator(), pack="one")
    (store.packs / "one" / ".pack.visagist-0-0123456789abcdef.part").write_text("[")
    assert "left over" in {finding.state for finding in store.verify()}
    assert store.remove("one")[0] == "one"


def test_a_full_disk_is_told_before_anything_is_written(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(10**9, 10**9, 1000))
    with pytest.raises(WeightsError, match="needs 1 MB, its disk has 0 MB left; free some space"):
        bring([Desk(tmp_path, store).generator()], store)
    assert not store.home.exists()


def test_a_disk_that_fills_up_leaves_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    chunks = tensorfile._chunks

    def failing(value: torch.Tensor) -> Iterator[torch.Tensor]:
        yield next(chunks(value))
        raise OSError(28, "No space left on device")

    part = _part()
    card = card_of(part, Path("x.npy"), "")
    monkeypatch.setattr(tensorfile, "_chunks", failing)
    with pytest.raises(WeightsError, match=r"No space left on device; .* VISAGIST_HOME"):
        store.put(part, card)
    assert list(store.weights.iterdir()) == []


def test_a_store_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where the store should be")
    store = Store(tmp_path / "home")
    with pytest.raises(WeightsError, match=r"cannot write to the store .*: .*; free some space"):
        _put(store)


def test_an_import_that_is_killed_leaves_nothing_that_looks_finished(
    store: Store, tmp_path: Path
) -> None:
    """Killed for good (no clean-up runs) between writing the numbers and putting them in place."""
    program = textwrap.dedent(
        """
        import os, signal, sys
        from pathlib import Path
        import torch
        from models import tensorfile
        from models.parts import Part
        from models.packs.cards import card_of
        from models.packs.store import Store

        chunks = tensorfile._chunks
        part = Part("direction", "d", "direction-x", {"vector": torch.ones(18, 512)})
        card = card_of(part, Path("x.npy"), "")

        def killed(value):
            yield next(chunks(value))
            os.kill(os.getpid(), signal.SIGKILL)

        tensorfile._chunks = killed
        Store(Path(sys.argv[1])).put(part, card)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(store.home)], cwd=ROOT, env={**os.environ}, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert store.cards() == {}
    assert list(store.weights.glob("*.safetensors")) == []
    (left,) = store.verify()
    assert left.state == "left over"
    assert "delete" in left.note


def test_a_card_from_before_attributes_had_a_table_of_their_own_is_read(store: Store) -> None:
    card = _put(store)
    path = store.weights / f"{card.name}.toml"
    head, _, _ = path.read_text(encoding="utf-8").partition("[facts")
    flat = '[facts]\nattribute = "x"\nlow = -1.5\nsummary = "s"\nlayers = 18\n'
    path.write_text(head + flat, encoding="utf-8")
    facts = store.cards()[card.name].facts
    assert facts.attribute == Attribute("x", "s", low=-1.5)
    assert facts.layers == 18
