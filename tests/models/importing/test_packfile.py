"""`pack.toml`: written and read back as it was, refused with the place and the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.attributes import Attribute
from models.base import PackError
from models.packs.packfile import (
    ClassifierEntry,
    EncoderEntry,
    FileEntry,
    GeneratorEntry,
    MoverEntry,
    PackFile,
    read_pack_file,
    write_pack_file,
)

MINIMAL = """
format = 1
name = "small"
licence = "unknown"
commercial = false
[generator]
file = "generator.safetensors"
size = 64
"""


def _read(folder: Path, text: str) -> PackFile:
    (folder / "pack.toml").write_text(text, encoding="utf-8")
    return read_pack_file(folder)


def test_a_pack_file_comes_back_as_it_was_written(tmp_path: Path) -> None:
    pack = PackFile(
        name="full",
        licence='a "quoted" licence',
        commercial=False,
        generator=GeneratorEntry("g.safetensors", 128, "ab" * 32, "0123"),
        encoder=EncoderEntry("e.safetensors", "psp", "", 128, widths=(8, 8, 16, 16, 32)),
        attributes=(
            Attribute("smile", aliases=("grin",), high=10.0, regions=("face", "hair")),
            Attribute("pca-0"),
        ),
        movers=(
            MoverEntry("direction", "smile", "m.safetensors", layers=(0, 9), unit=-1.0),
            MoverEntry("pca", "pca-0", "m.safetensors", prefix="pca.0."),
        ),
        classifier=ClassifierEntry("c.safetensors", "", ("smile", "age")),
        parsing=FileEntry("p.safetensors"),
        notes="two\nlines \\ ü",
    )
    write_pack_file(pack, tmp_path)
    assert read_pack_file(tmp_path) == pack
    assert [p.name for p in tmp_path.iterdir()] == ["pack.toml"]


def test_an_older_pack_that_tells_of_an_attribute_at_its_movers_is_read(tmp_path: Path) -> None:
    told = 'summary = "a smile"\naliases = ["grin"]\nlow = -1.5\n'
    movers = [
        f'[[movers]]\neditor = "{editor}"\nattribute = "smile"\nfile = "m"\n{said}'
        for editor, said in (("direction", told), ("pca", 'summary = "another"\n'))
    ]
    pack = _read(tmp_path, MINIMAL + "".join(movers))
    assert pack.attributes == (Attribute("smile", "a smile", ("grin",), low=-1.5),)
    assert len(pack.movers) == 2
    write_pack_file(pack, tmp_path)
    assert read_pack_file(tmp_path) == pack


def test_what_is_said_of_an_attribute_that_nothing_moves_is_passed_over(tmp_path: Path) -> None:
    assert _read(tmp_path, MINIMAL + '[[attributes]]\nname = "smile"\n').attributes == ()


def test_the_smallest_pack_file_is_a_generator(tmp_path: Path) -> None:
    pack = _read(tmp_path, MINIMAL)
    assert pack.generator.layers == 10
    assert (pack.encoder, pack.movers, pack.parsing) == (None, (), None)
    assert pack.files == {"generator.safetensors": ""}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (MINIMAL.replace("format = 1", "format = 2"), "format 2, this program reads 1"),
        (MINIMAL + "sise = 3\n", r"\[generator\] has the unknown key 'sise'; known are file, size"),
        (MINIMAL.replace("size = 64", ""), "missing required field `size` - at `generator`"),
        (MINIMAL.replace("size = 64", "size = 60"), "60 is not a power of two"),
        (
            MINIMAL.replace("size = 64", "size = true"),
            "Expected `int`, got `bool` - at `generator.size`",
        ),
        (MINIMAL.replace("false", '"no"'), "Expected `bool`, got `str` - at `commercial`"),
        (MINIMAL + '[encoder]\nfile = "e"\nkind = "vae"\n', "unknown encoder kind 'vae'"),
        (MINIMAL + '[movers]\nfile = "m"\n', "Expected a list, got a table - at `movers`"),
        (
            MINIMAL + '[[movers]]\neditor = "direction"\nattribute = "smile"\nfile = "m"\n'
            "layers = [0, 11]\n",
            r"layers \[0, 11\] of smile are not two of 0 to 10",
        ),
        (MINIMAL.replace("size = 64", "size = "), "cannot be read"),
        (
            MINIMAL + '[encoder]\nfile = "e"\nkind = "psp"\nunits = ["a"]\n',
            r"Expected `int`, got `str` - at `encoder.units\[0\]`",
        ),
        (MINIMAL.replace("size = 64", f"size = {'9' * 5000}"), "thousands of digits"),
        (MINIMAL.replace("size = 64", f"size = {10**400}"), "more than 64 bits"),
        (MINIMAL.replace("size = 64", f"size = {2**40}"), "power of two from 8 to 2048"),
        (MINIMAL.replace("generator.safetensors", "g" * 256), "no file can be called 'ggg"),
        (MINIMAL.replace("generator.safetensors", "g\\u0000"), r"no file can be called 'g\\x00'"),
        ("a = " + "[" * 100_000, "nested without end"),
        ("a" + ".a" * 2000 + " = 1", "nested without end|format None"),
        (MINIMAL + "low = inf\n", "holds the number inf"),
        (MINIMAL + " " * (1 << 20), "no plain file of up to"),
        (
            MINIMAL + '[encoder]\nfile = "e"\nkind = "psp"\nunits = [1, 1, 1, 1000000000]\n',
            r"Expected `int` <= 256 - at `encoder.units\[3\]`",
        ),
        (
            MINIMAL + '[encoder]\nfile = "e"\nkind = "psp"\nsteps = 0\n',
            "Expected `int` >= 1 - at `encoder.steps`",
        ),
        (
            MINIMAL + '[[movers]]\neditor = "pca"\nattribute = "smile"\nfile = "m"\n'
            "low = 2.0\nhigh = 1.0\n",
            "low 2 of smile is above high 1",
        ),
        (
            MINIMAL + '[[attributes]]\nname = "smile"\nregions = ["moon"]\n',
            r"Invalid enum value 'moon' - at `attributes\[0\].regions",
        ),
        (MINIMAL + '[[attributes]]\nname = "smile"\nsumary = "s"\n', "unknown key 'sumary'"),
    ],
)
def test_what_is_wrong_in_a_pack_file_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(PackError, match=words) as e:
        _read(tmp_path, text)
    assert len(str(e.value)) < 1000


def test_a_mover_of_another_generator_is_refused(tmp_path: Path) -> None:
    text = MINIMAL + (
        'id = "aaaa"\n[[movers]]\neditor = "direction"\nattribute = "smile"\nfile = "m"\n'
        'generator = "bbbb"\n'
    )
    with pytest.raises(PackError, match="belongs to generator bbbb, the pack has aaaa"):
        _read(tmp_path, text)


def test_a_folder_without_a_pack_file_is_no_pack(tmp_path: Path) -> None:
    with pytest.raises(PackError, match=r"holds no pack\.toml"):
        read_pack_file(tmp_path)
