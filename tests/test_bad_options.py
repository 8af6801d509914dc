"""Options and presets that mean nothing are refused, with what is accepted."""

from __future__ import annotations

import pytest

from tests.conftest import Desk


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--attr", "smlie"], "did you mean 'smile'? accepted: smile, toothy-smile"),
        (["--attr", "smile=4"], "strength 4 of 'smile' is out of range; accepted: -3 to 3"),
        (["--attr", "smile=nan"], "out of range"),
        (["--attr", "smile=lots"], "is not a number; try smile=1"),
        (["--attr", "smile", "--strength", "-9"], "out of range"),
        (["--attr", "smile", "--strength", "nan"], "out of range"),
        (["--attr", "smile", "--strength", "much"], "invalid float value"),
        (["--attr", ""], "unknown attribute ''"),
        (["--attr", "smile", "--blend", "posson"], "accepted: poisson, alpha, none"),
        (
            ["--attr", "smile", "--editor", "gan"],
            "editor 'gan' is unknown; accepted: direction, latent-transformer, pca, sefa",
        ),
        (["--attr", "smile", "--editor", "pca"], "has no movers for the editor 'pca'"),
        (["--attr", "smile", "--faces", "leftmost"], "accepted: all, largest, left-right"),
        (["--attr", "smile", "--faces", "left-right:3"], "N must be below 1"),
        (["--attr", "smile", "--faces", "reference:99:0"], "frame 99 does not exist; "),
        (["--attr", "smile", "--faces", "reference:2:1"], "frame 2 has 1 face; N counts from 0"),
        (["--attr", "smile", "--smoothing", "-1"], "smoothing_s -1 is out of range"),
        (["--attr", "smile", "--batch-size", "0"], "batch_size 0 is out of range"),
        (["--attr", "smile", "--max-gap", "nan"], "max_gap_s nan is out of range"),
        (["--attr", "smile", "--landmarks", "dlib"], "accepted: embedded, face-alignment"),
        (["--attr", "smile", "--overwrit"], "unrecognized arguments: --overwrit"),
    ],
    ids=lambda value: " ".join(value[-2:]) if isinstance(value, list) else "",
)
def test_an_option_that_means_nothing_is_refused_with_the_cure(
    desk: Desk, options: list[str], words: str
) -> None:
    assert words in desk.edit_refused(2, *options)


def test_nothing_to_change_is_refused(desk: Desk) -> None:
    error = desk.refused(2, "edit", desk.clip, "-o", desk.folder / "out.mp4")
    assert "give --attr NAME" in error


@pytest.mark.parametrize("arguments", [[], ["edit"], ["edti", "a.mp4"], ["inspect", "a.mp4"]])
def test_a_wrong_command_line_is_one_line_and_exit_2(desk: Desk, arguments: list[str]) -> None:
    assert "--help`" in desk.refused(2, *arguments)


@pytest.mark.parametrize("device", ["cuda", "cuda:63", "gpu", "meta"])
def test_a_device_that_is_not_there_is_an_error_and_never_replaced(
    desk: Desk, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    error = desk.edit_refused(6, "--device", device)
    assert repr(device) in error
    assert "cpu" in error


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('blnd = "poisson"', "did you mean 'blend'?"),
        ("smoothing_s = 'a'", "is not a number"),
        ("occlusion = 1", "is not true or false"),
        ("batch_size = 2.5", "is not a whole number"),
        ("attr = [1]", "is not a list of texts"),
        ("smoothing_s = 99", "is out of range"),
        ("= 3", "cannot use the preset"),
    ],
)
def test_a_preset_that_means_nothing_is_refused(desk: Desk, text: str, words: str) -> None:
    preset = desk.folder / "preset.toml"
    preset.write_text(text)
    assert words in desk.edit_refused(2, "--config", preset)


def test_a_preset_that_is_missing_is_refused(desk: Desk) -> None:
    assert "cannot use the preset" in desk.edit_refused(2, "--config", desk.folder / "no.toml")
