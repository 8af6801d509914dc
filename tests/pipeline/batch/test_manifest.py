"""Manifests: what they say, as data; and whatever is wrong in them, all at once, with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.batch.lines import Lines
from pipeline.batch.manifest import ManifestError, Reel, read_manifest
from pipeline.errors import UsageError

HEAD = 'version = 1\noutput = "out/{shot}{ext}"\n'
SHOT = '[[shot]]\nname = "sh010"\ninput = "a.mp4"\n'


def read(folder: Path, text: str) -> Reel:
    path = folder / "reel.toml"
    path.write_text(text)
    return read_manifest(path)


def complaints(folder: Path, text: str) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        read(folder, text)
    return [str(complaint) for complaint in caught.value.complaints]


def test_a_shot_is_what_it_says_over_its_preset_over_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "soft.toml").write_text('blend = "alpha"\nsmoothing_s = 0.5\n')
    reel = read(
        tmp_path,
        HEAD
        + 'handles = 8\n[defaults]\nattr = ["smile=0.8"]\nfaces = "largest"\ncrf = 18\n'
        + SHOT
        + 'config = "soft.toml"\nsmoothing-s = 0.25\non-unedited = "skip"\nhandles = 2\n'
        + '[[shot]]\nname = "sh020"\ninput = "plates/b.mov"\nattr = "age=-0.5"\n',
    )
    one, two = reel.shots
    assert reel.work == tmp_path / "reel.work"
    assert one.request.input == tmp_path / "a.mp4"
    assert one.request.attributes == ("smile=0.8",)
    assert (one.request.render.faces, one.request.render.blend) == ("largest", "alpha")
    assert one.request.render.smoothing_s == 0.25
    assert one.request.encode.crf == 18
    assert (one.handles, one.on_unedited) == (2, "skip")
    assert (two.handles, two.on_unedited) == (8, "fail")
    assert two.request.attributes == ("age=-0.5",)
    assert two.request.input == tmp_path / "plates" / "b.mov"
    assert two.target(".mov") == tmp_path / "out" / "sh020.mov"


def test_paths_are_relative_to_the_manifest_wherever_they_stand(tmp_path: Path) -> None:
    reel = read(
        tmp_path,
        HEAD
        + SHOT
        + 'attr = "hair-colour"\nanalysis = "faces/a.json"\nexemplar = "ref/b.png"\n'
        + 'faces = "reference:ref/me.png"\nlandmarks = "marks.npz"\n',
    )
    request = reel.shots[0].request
    assert request.analysis_path == tmp_path / "faces" / "a.json"
    assert request.exemplar is not None
    assert request.exemplar.path == tmp_path / "ref" / "b.png"
    assert request.render.faces == f"reference:{tmp_path / 'ref' / 'me.png'}"
    assert request.analyze.landmarks == str(tmp_path / "marks.npz")


def test_a_table_adds_shots(tmp_path: Path) -> None:
    (tmp_path / "more.csv").write_text(
        "name,input,attr,crf,occlusion,faces\n"
        "sh1,b.mp4,smile=0.5; age=-0.2,20,false,\n"
        "\n"
        '"sh2","c, or so.mp4",,,,largest\n'
    )
    defaults = '[defaults]\nattr = "smile"\n[table]\nfile = "more.csv"\n'
    one, two = read(tmp_path, HEAD + defaults).shots
    assert one.request.attributes == ("smile=0.5", "age=-0.2")
    assert (one.request.encode.crf, one.request.render.occlusion) == (20, False)
    assert one.line("attr") == 2
    assert two.request.input == tmp_path / "c, or so.mp4"
    assert two.request.attributes == ("smile",)
    assert two.request.render.faces == "largest"


def test_an_edit_may_stand_in_a_table_of_its_own(tmp_path: Path) -> None:
    edit = '[[shot.edit]]\nattr = "smile"\nfaces = "0"\n'
    (shot,) = read(tmp_path, HEAD + SHOT + "crf = 20\n" + edit).shots
    assert (shot.request.attributes, shot.request.render.faces) == (("smile",), "0")
    assert shot.request.encode.crf == 20
    (shot,) = read(tmp_path, HEAD + SHOT + edit + edit.replace("smile", "age=-1")).shots
    assert [one.attributes for one in shot.requests] == [("smile",), ("age=-1",)]
    assert [shot.line("attr", n) for n in (0, 1)] == [7, 10]


def test_every_wrong_line_is_named_with_what_is_accepted(tmp_path: Path) -> None:
    text = (
        "version = 2\n"
        'output = "out/{shto}{ext}"\n'
        "[defaults]\n"
        "attr = 3\n"
        "crff = 18\n"
        "[[shot]]\n"
        'name = "sh/1"\n'
        'input = "a.mp4"\n'
        'attr = "smile"\n'
        "[[shot]]\n"
        'name = "sh2"\n'
        'attr = "smile"\n'
        "[[shot]]\n"
        'name = "sh3"\n'
        'input = "a.mp4"\n'
        'attr = "smile"\n'
        'output = "x.mp4"\n'
        "smoothing_s = 99\n"
        'on-unedited = "cry"\n'
        'frames = "9-3"\n'
    )
    found = complaints(tmp_path, text)
    assert [line.partition(":")[0] for line in found] == [
        *("line 1", "line 4", "line 5", "line 7", "line 10"),
        *("line 18", "line 19", "line 20"),
    ]
    told = "\n".join(found)
    assert "version = 2; accepted: 1" in told
    assert "did you mean 'crf'?" in told
    assert "shot 'sh2' has no 'input'" in told
    assert "smoothing_s 99 is out of range; accepted: 0 to 5" in told
    assert "on_unedited = 'cry': accepted: fail, warn, skip" in told


def test_a_wrong_default_is_told_once_however_many_shots_take_it(tmp_path: Path) -> None:
    shots = "".join(f'[[shot]]\nname = "{n}"\ninput = "a.mp4"\n' for n in range(50))
    defaults = '[defaults]\nattr = "smile"\nsmoothing_s = 99\non-unedited = "cry"\n'
    found = complaints(tmp_path, f'version = 1\noutput = "{{x}}"\n{defaults}{shots}')
    assert [line.partition(":")[0] for line in found] == ["line 2", "line 5", "line 6"]


def test_two_shots_of_one_name_or_one_target_are_refused(tmp_path: Path) -> None:
    again = SHOT + 'attr = "smile"\n'
    (line,) = complaints(tmp_path, HEAD + again + again)
    assert line == "line 8: name = 'sh010': the shot of line 4 has it too"
    other = again.replace("sh010", "sh020")
    (line,) = complaints(tmp_path, 'version = 1\noutput = "out{ext}"\n' + again + other)
    assert "is that of 'sh010' (line 3); put {shot} into `output`" in line


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("version = 1\n", "no [[shot]] and no [table]"),
        (HEAD + SHOT, "nothing to change: it has no 'attr'"),
        ("version = 1\n" + SHOT + 'attr = "smile"\n', "has no 'output'"),
        (HEAD + '[shot]\nname = "a"\n', "[[shot]], in two brackets"),
        (HEAD + '[table]\nfile = "none.csv"\n', "cannot use the table"),
        (HEAD + SHOT + 'attr = "a"\n[[shot.edit]]\nattr = "b"\n', "has edits of its own"),
        (HEAD + SHOT + 'attr = "smile"\nconfig = "none.toml"\n', "cannot use the preset"),
        (HEAD + SHOT + 'attr = "smile"\nchunk = 0\n', "chunk 0 is out of range"),
        (HEAD + SHOT + 'attr = "smile"\nframes = "a-b"\n', "accepted is FIRST-LAST"),
        (HEAD + SHOT + 'attr = "smile"\nfps = "24"\n', "unknown key 'fps'"),
    ],
)
def test_what_cannot_mean_anything_is_told(tmp_path: Path, text: str, told: str) -> None:
    (line,) = complaints(tmp_path, text)
    assert told in line


def test_a_table_is_blamed_by_its_own_lines(tmp_path: Path) -> None:
    (tmp_path / "more.csv").write_text("name,input,crf\nsh1,a.mp4,low\nsh2,b.mp4,18,19\n")
    text = HEAD + '[defaults]\nattr = "smile"\n[table]\nfile = "more.csv"\n'
    found = complaints(tmp_path, text)
    assert found[0] == (
        "more.csv, line 2: shot 'sh1': crf = 'low' is not a number, which it must be"
    )
    assert found[1] == "more.csv, line 3: 4 cells, but the header names 3 columns"


def test_what_is_no_toml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at line 1"):
        read(tmp_path, "version = \n")


def test_lines_are_found_in_arrays_of_tables() -> None:
    lines = Lines(
        'a = 1\n[defaults]\nb-c = 2\n[[shot]]\nname = "x"\n[[shot.edit]]\nd = 1\n'
        "[[shot.edit]]\nd = 2\n[[shot]]\n[[shot.edit]]\nd = 3\n"
    )
    first, second = ("shot", 0), ("shot", 1)
    assert lines.of((), "a") == 1
    assert lines.of(("defaults",), "b_c") == 3
    assert lines.of((first, ("edit", 1)), "d") == 9
    assert lines.of((second, ("edit", 0)), "d") == 12
    assert lines.of((second, ("edit", 0)), "none") == 11
