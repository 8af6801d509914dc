"""`models import | list | verify | remove`: what a user sees and what lies in the store after."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.packs.store import Store
from pipeline.cli import main
from tests.models.weight_files import Desk, encoder_state, generator_state, merged


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("VISAGIST_HOME", str(tmp_path / "home"))
    return Store(tmp_path / "home")


@pytest.fixture
def desk(tmp_path: Path, store: Store) -> Desk:
    return Desk(tmp_path, store)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run `models` and return what it printed."""
    assert main(["models", *arguments]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    return shown.out


def refused(capsys: pytest.CaptureFixture[str], code: int, *arguments: str) -> str:
    """Run `models`, expect an exit code and one error line; return the line."""
    assert main(["models", *arguments]) == code
    shown = capsys.readouterr()
    (line,) = shown.err.splitlines()
    assert line.startswith("visagist: error: ")
    return line


def test_an_import_says_what_it_found_and_what_to_do_next(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    psp = desk.save("psp_faces.pt", merged(encoder_state(), generator_state()))
    out = run(capsys, "import", psp, "--as", "faces")
    assert "psp_faces.pt: W encoder, 256 px to one row" in out
    assert "psp_faces.pt: StyleGAN2 generator, 16 px (rosinality layout)" in out
    assert "licence: research, non-commercial" in out
    assert "commercial use: no" in out
    assert f"store: {desk.store.home}" in out
    assert "it lacks something that moves codes" in out
    assert "next: visagist models import FILE --as faces" in out

    out = run(capsys, "import", desk.transformer())
    assert "latent transformer for smile, 6 rows" in out
    assert "pack faces: 16-px generator, w encoder, 1 attribute (smile)" in out
    assert "next: visagist edit VIDEO --pack faces --attr smile" in out


def test_an_imported_pack_edits_a_clip(
    desk: Desk,
    capsys: pytest.CaptureFixture[str],
    clip_of: Callable[..., Path],
    astronaut: list[NDArray[np.uint8]],
) -> None:
    psp = desk.save("psp_faces.pt", merged(encoder_state(), generator_state()))
    run(capsys, "import", psp, desk.transformer(), "--as", "faces")
    assert main(["attrs", "--pack", "faces", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["attribute"] == "smile"

    clip = clip_of(desk.folder / "clip.mp4", astronaut[:2])
    report = desk.folder / "report.json"
    command = ["edit", str(clip), "--pack", "faces", "--attr", "smile", "--report", str(report)]
    assert main(command) == 0
    written = json.loads(report.read_text(encoding="utf-8"))
    hashes = {card.sha256 for card in desk.store.cards().values()}
    assert len(hashes) == 3
    assert hashes <= set(_texts(written))


def _texts(value: object) -> Iterator[str]:
    """Yield every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)


def test_what_was_imported_is_listed_with_what_ships_with_the_program(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    before = json.loads(run(capsys, "--json"))
    run(capsys, "import", desk.generator(), "--as", "mine", "--licence", "my own", "--commercial")
    for arguments in (["--json"], ["list", "--json"], ["--json", "list"]):
        rows = json.loads(run(capsys, *arguments))
        assert rows[: len(before)] == before
        pack, generator = rows[len(before) :]
        assert (pack["name"], pack["use"].split(";")[0]) == ("mine", "pack: 16-px generator")
        (own,) = desk.store.read_packs().values()
        assert pack["use"].endswith(f"; generator id {own.generator.id}")
        assert (pack["sha256"], generator["sha256"]) == ("–", own.generator.sha256[:16])
        assert pack["size"] == generator["size"]
        assert (generator["licence"], generator["commercial use"]) == ("my own", "yes")
        assert "(in mine)" in generator["use"]
        assert generator["source"] == "imported from g.pt"
    assert "mine" in run(capsys)


def test_an_import_tells_all_as_json(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    report = json.loads(run(capsys, "import", "--json", desk.generator(), "--as", "mine"))
    assert report["pack"] == "mine"
    assert [row["state"] for row in report["rows"]] == ["stored"]
    assert len(report["lacks"]) == 2
    report = json.loads(run(capsys, "import", "--json", desk.generator()))
    assert [row["state"] for row in report["rows"]] == ["already there"]


def test_what_belongs_to_no_pack_says_so(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    heads = {
        f"lin{i}.model.1.weight": torch.ones(1, c, 1, 1)
        for i, c in enumerate((64, 192, 384, 256, 256))
    }
    out = run(capsys, "import", desk.save("alex.pth", heads))
    assert "LPIPS heads (alex)" in out
    assert "for training and evaluation; packs do without it" in out
    out = run(capsys, "import", desk.direction())
    (name,) = [n for n in desk.store.cards() if n.startswith("direction-smile")]
    assert f"in no pack yet\nnext: visagist models import {name} --as NAME" in out


def test_verify_finds_damage_and_exits_with_5(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "import", desk.generator(), "--as", "mine")
    rows = json.loads(run(capsys, "verify", "--json"))
    assert {row["state"] for row in rows} == {"ok"}
    (name,) = desk.store.cards()
    path = desk.store.path_of(name)
    path.write_bytes(path.read_bytes()[:-1])
    assert f"1 of {len(rows)} are not as they should be: {name}" in refused(capsys, 5, "verify")


@pytest.mark.parametrize(
    "text", ["x = [", "x = " + "[" * 100_000, f"x = {'9' * 5000}"], ids=["cut", "deep", "digits"]
)
def test_a_damaged_pack_stops_nothing_but_itself(
    text: str, desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "import", desk.generator(), "--as", "mine")
    damaged = desk.store.packs / "damaged"
    damaged.mkdir()
    (damaged / "pack.toml").write_text(text)
    rows = {row["name"]: row for row in json.loads(run(capsys, "--json"))}
    assert rows["damaged"]["use"].startswith("damaged; `visagist models verify`")
    assert rows["mine"]["use"].startswith("pack: 16-px generator")
    run(capsys, "import", desk.generator(), "--as", "mine")
    run(capsys, "import", desk.generator())
    assert "cannot be read" in refused(capsys, 5, "import", desk.generator(), "--as", "damaged")
    assert "not as they should be: damaged" in refused(capsys, 5, "verify")
    assert run(capsys, "remove", "damaged") == "removed damaged\n"
    assert not damaged.exists()


@pytest.mark.parametrize("name", ["é" * 300, "../weights", "other"])
def test_a_pack_that_calls_itself_otherwise_is_listed_with_what_its_folder_holds(
    desk: Desk, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    psp = desk.save("psp_faces.pt", merged(encoder_state(), generator_state()))
    run(capsys, "import", psp, "--as", "faces")
    rows = json.loads(run(capsys, "--json"))
    size = next(row["size"] for row in rows if row["name"] == "faces")
    path = desk.store.packs / "faces" / "pack.toml"
    path.write_text(path.read_text().replace('name = "faces"', f'name = "{name}"'))
    listed = {row["name"]: row["size"] for row in json.loads(run(capsys, "--json"))}
    assert listed.get(name, size) == size, "whether it is read or called damaged"


def test_remove_leaves_a_folder_whole_that_holds_files_of_others(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "import", desk.generator(), "--as", "mine")
    folder = desk.store.packs / "mine"
    (folder / "notes.txt").write_text("mine")
    assert "holds notes.txt, which no import put there" in refused(capsys, 5, "remove", "mine")
    assert sorted(p.name for p in folder.iterdir()) == ["notes.txt", "pack.toml"]


def test_no_folder_of_the_store_takes_the_place_of_a_pack_of_the_program(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = store.packs / "mini"
    folder.mkdir(parents=True)
    (folder / "pack.toml").write_text("x = [")
    assert main(["attrs", "--pack", "mini"]) == 0
    assert "smile" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["mini", "portrait", "mini_generator"])
def test_what_is_part_of_the_program_is_not_removed(
    store: Store, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert f"'{name}' is part of the program" in refused(capsys, 2, "remove", name)


def test_remove_takes_a_pack_with_its_weights(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "import", desk.generator(), "--as", "mine")
    (name,) = desk.store.cards()
    assert "used by the pack mine" in refused(capsys, 5, "remove", name)
    assert run(capsys, "remove", "mine") == f"removed mine\nremoved {name}\n"
    assert "there is nothing" in refused(capsys, 5, "remove", "mine")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<!DOCTYPE html>", "web page"),
        (b"PK\x03\x04 and no more", "ends too early"),
        (b"", "is empty"),
    ],
    ids=["html", "cut", "empty"],
)
def test_a_wrong_file_is_refused_and_nothing_is_stored(
    desk: Desk, capsys: pytest.CaptureFixture[str], content: bytes, words: str
) -> None:
    path = desk.folder / "psp_ffhq_encode.pt"
    path.write_bytes(content)
    line = refused(capsys, 5, "import", desk.generator(), str(path))
    assert words in line
    assert str(path) in line
    assert not desk.store.home.exists()


def test_a_file_that_carries_code_is_refused_and_not_run(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    canary = desk.folder / "canary"

    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return os.system, (f"touch {canary}",)

    path = desk.save("evil.pt", {"state_dict": {}, "opts": Evil()})
    line = refused(capsys, 5, "import", path)
    assert "system'" in line
    assert "Nothing in it was executed" in line
    assert not canary.exists()
    assert not desk.store.home.exists()


def test_wrong_use_is_told(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    line = refused(capsys, 2, "import", desk.generator(), "--commercial")
    assert "name it with --licence TEXT" in line
    assert "FILE" in refused(capsys, 2, "import")
    assert "invalid choice" in refused(capsys, 2, "fetch")
    state = {"dense.0.weight": torch.ones(512, 512), "dense.0.bias": torch.ones(512)}
    path = desk.save("mover.pth", state)
    assert "give --attribute NAME" in refused(capsys, 5, "import", path)
    assert "latent transformer for age" in run(capsys, "import", path, "--attribute", "age")


def test_doctor_names_a_damaged_pack(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "import", desk.generator(), "--as", "mine")
    main(["doctor"])
    assert "imported mine" not in capsys.readouterr().out
    (desk.store.packs / "mine" / "pack.toml").write_text("format = ")
    main(["doctor"])
    line = next(s for s in capsys.readouterr().out.splitlines() if s.startswith("imported mine"))
    assert "damaged" in line


def test_a_store_that_is_nowhere_is_named_and_stops_no_pack_of_the_program(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISAGIST_HOME", "~nobody-of-this-name/x")
    assert "VISAGIST_HOME is '~nobody-of-this-name/x'" in refused(capsys, 2, "list")
    assert main(["attrs", "--pack", "mini"]) == 0
    assert main(["doctor"]) == 1
    assert "VISAGIST_HOME is" in capsys.readouterr().out
    monkeypatch.setenv("VISAGIST_HOME", "n" * 300)
    assert "File name too long" in refused(capsys, 5, "list")
