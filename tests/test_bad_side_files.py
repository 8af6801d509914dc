"""Analysis, landmarks, presets, pictures: what is no such file is refused with a sentence."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from pipeline import analysis
from pipeline.cli import main
from pipeline.errors import AnalysisError, InputError, UsageError
from pipeline.imaging.picture_size import picture_size
from pipeline.side_files import read_bytes
from pipeline.tracking.landmark_files import FileFinder
from tests.conftest import Desk

DEEP = "[" * 100_000
HUGE_NUMBER = "9" * 5000


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: p.mkdir(), "it is a folder"),
        (os.mkfifo, "it is a pipe or a device"),
        (lambda p: p.symlink_to("/dev/zero"), "it is a pipe or a device"),
        (lambda p: p.write_bytes(bytes(11)), "which no such file has; accepted are up to"),
        (lambda p: p.symlink_to(p), "symbolic links"),
        (lambda p: None, "No such file"),
    ],
    ids=["folder", "fifo", "device", "large", "loop", "missing"],
)
@pytest.mark.skipif(os.name != "posix", reason="needs POSIX files")
def test_what_is_no_file_of_its_kind_is_refused_before_it_is_read(
    make: Callable[[Path], object], words: str, tmp_path: Path
) -> None:
    path = tmp_path / "a"
    make(path)
    with pytest.raises(UsageError, match=words):
        read_bytes(path, "cannot use the preset", most=10, error=UsageError)


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions")
def test_a_file_behind_a_closed_folder_is_named(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    (closed / "a.toml").touch()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:  # as somebody whom permissions hold back
        complaint = ""
        try:
            closed.chmod(0)
            if os.getuid() == 0:
                os.setresuid(65_534, 65_534, 65_534)
            read_bytes(closed / "a.toml", "cannot read the preset", most=10, error=UsageError)
        except BaseException as e:
            complaint = f"{type(e).__name__}: {e}"
        os.write(writer, complaint.encode())
        os._exit(0)
    os.waitpid(child, 0)
    said = os.read(reader, 10_000).decode()
    closed.chmod(0o700)
    assert said.startswith("UsageError: cannot read the preset ")
    assert "Permission denied; give a file that is there and may be read" in said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (DEEP, "nested without end"),
        ('{"a": ' * 100_000, "nested without end"),
        (f"[{HUGE_NUMBER}]", "thousands of digits"),
        ('{"visagist_analysis": 1, "visagist_analysis": 1}', "stands twice"),
        ("\ud800", "not text in UTF-8"),
        ("", "damaged at line 1"),
    ],
    ids=["lists", "tables", "digits", "twice", "no text", "empty"],
)
def test_an_analysis_that_is_none_is_refused(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(AnalysisError, match=words):
        analysis.load(path)


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("time_base",), [0, 1], "above 0"),
        (("time_base",), [1, -25], "above 0"),
        (("time_base",), [1, 1e37], "10 frames take"),
        (("time_base",), [1e37, 1], "10 frames take"),
        (("tracks", 0, "id"), 1 << 70, "whole numbers from 0"),
        (("tracks", 0, "id"), -1, "whole numbers from 0"),
        (("tracks", 0, "frames", 0, "score"), float("nan"), "scores must be"),
        (("tracks", 0, "frames", 0, "landmarks", 3), [1e5, 1e5], "about a frame of 240x240"),
        (("tracks", 0, "frames", 0, "landmarks", 3), [1e38, 1e308], "must be 68 pairs of numbers"),
    ],
    ids=str,
)
def test_values_that_no_clip_has_are_refused(
    desk: Desk, place: tuple[str | int, ...], value: object, words: str
) -> None:
    document: Any = json.loads(desk.analysis.read_text())
    inner = document
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    desk.analysis.write_text(json.dumps(document))
    assert words in desk.edit_refused(3, "--analysis", desk.analysis)


def test_landmarks_ten_million_times_too_large_ask_for_no_memory(desk: Desk) -> None:
    document: Any = json.loads(desk.analysis.read_text())
    for line in document["tracks"][0]["frames"]:
        line["landmarks"] = (1e7 * np.array(line["landmarks"])).tolist()
    desk.analysis.write_text(json.dumps(document))
    error = desk.edit_refused(3, "--analysis", desk.analysis)
    assert "'landmarks' must lie about a frame of 240x240 px" in error


def test_an_excluded_frame_is_reported_as_that(desk: Desk) -> None:
    text = desk.analysis.read_text()
    desk.analysis.write_text(text.replace('"state": "detected"', '"state": "excluded"', 1))
    report = desk.folder / "report.json"
    arguments = ["edit", desk.clip, "-o", desk.folder / "out.mp4", "--attr", "smile", "--quiet"]
    arguments += ["--analysis", desk.analysis, "--report", report]
    assert main([str(a) for a in arguments]) == 0
    (face,) = json.loads(report.read_text())["frames"][0]["faces"]
    assert face["skipped"] == "excluded in the analysis file"


# Landmark files.


def npz(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return buffer.getvalue()


def npy(array: np.ndarray[Any, Any], claims: tuple[int, ...] | None = None) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    data = buffer.getvalue()
    if claims is None:
        return data
    header = {"descr": array.dtype.str, "fortran_order": False, "shape": claims}
    made = io.BytesIO()
    np.lib.format.write_array_header_1_0(made, header)
    return made.getvalue() + data[128:]


POINTS = np.tile(np.linspace(10, 200, 68)[:, None] * [1, 0.9], (3, 1, 1)).astype(np.float32)
SOUND = npz(points=npy(POINTS))


def damaged_crc() -> bytes:
    data = bytearray(SOUND)
    data[60] ^= 0xFF
    return bytes(data)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (damaged_crc(), "cannot be read"),
        (SOUND[: len(SOUND) // 2], "cannot be read: File is not a zip file"),
        (npz(points=npy(POINTS, (10**9, 68, 2))), "136000000000 numbers are promised"),
        (npz(points=npy(POINTS, (-1, 68, 2))), "has the shape"),
        (npz(points=npy(np.array([{}], object))), "not of numbers"),
        (npz(points=npy(POINTS * 1e7)), "the landmarks of frame 0 reach 2e\\+09 px"),
        (npz(points=npy(POINTS * 0)), "lie on one spot"),
        (npz(points=npy(POINTS), found=npy(np.ones(7, bool))), r"found must be \(3,\)"),
        (npz(other=npy(POINTS)), "'points' is missing"),
        (npz(points=b"\x93NUMPY\x01\x00" + b"\xff" * 40), "cannot be read"),
    ],
    ids=["crc", "cut", "bomb", "negative", "objects", "huge", "spot", "found", "other", "header"],
)
def test_an_npz_that_is_damaged_or_claims_too_much_is_refused(
    desk: Desk, content: bytes, words: str
) -> None:
    path = desk.folder / "l.npz"
    path.write_bytes(content)
    out = ["-o", desk.folder / "out.json", "--quiet"]
    error = desk.refused(3, "analyze", desk.clip, "--landmarks", path, *out)
    assert re.search(words, error), error


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"frame": float("inf")}, "infinity"),
        ({"frame": -1}, "has frame -1"),
        ({"score": float("nan")}, "score nan"),
        ({"landmarks": (1e37 * POINTS[0].astype(float)).tolist()}, "must be 68 pairs|reach"),
        ({"landmarks": (POINTS[0] * 9).tolist()}, "are its numbers pixels"),
    ],
    ids=["endless frame", "negative", "score", "1e37", "other units"],
)
def test_landmarks_in_json_that_no_clip_has_are_refused(
    desk: Desk, entry: dict[str, object], words: str
) -> None:
    path = desk.folder / "l.json"
    path.write_text(json.dumps({"faces": [{"frame": 0, "landmarks": POINTS[0].tolist(), **entry}]}))
    out = ["-o", desk.folder / "out.json", "--quiet"]
    error = desk.refused(3, "analyze", desk.clip, "--landmarks", path, *out)
    assert re.search(words, error), error


@pytest.mark.parametrize("points", [POINTS, np.asfortranarray(POINTS), POINTS.astype(">f8")])
def test_landmarks_are_read_in_any_order_of_numbers(points: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "l.npz").write_bytes(npz(points=npy(points)))
    faces = FileFinder.load(tmp_path / "l.npz", mesh_to_68=()).faces
    assert [np.array_equal(faces[t][0].landmarks, POINTS[t]) for t in range(3)] == [True] * 3


# Presets.


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a = " + DEEP, "nested without end"),
        (f"crf = {HUGE_NUMBER}", "thousands of digits"),
        (f"crf = {10**400}", "is not a number"),
        (f"batch_size = {10**400}", "is not a whole number"),
        ("attr." + ".".join("a" * 400) + " = 1", "is not a list of texts"),
        ("smoothing_s = nan", "smoothing_s nan is out of range"),
        ("strength = inf", "strength inf"),
        ("faces = 'x'\nfaces = 'y'", "cannot use the preset"),
    ],
    ids=["deep", "digits", "crf", "batch", "dotted", "nan", "inf", "twice"],
)
def test_a_preset_that_is_none_is_refused(desk: Desk, text: str, words: str) -> None:
    path = desk.folder / "p.toml"
    path.write_text(text)
    assert words in desk.edit_refused(2, "--config", path)


def test_a_number_of_hundreds_of_digits_is_out_of_range(desk: Desk) -> None:
    assert "out of range" in desk.edit_refused(2, "--batch-size", "9" * 400)


# Reference pictures.


def png(width: int, height: int, body: bytes = b"") -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (png(60_000, 60_000), "has 60000x60000 px; accepted are up to 134 million pixels"),
        (png(0, 5), "it says it has 0x5 px"),
        (b"P5\n99999 99999\n255\nxx", "is not a picture"),
        (b"PF\n-5 4\n-1.0\n", "is not a picture"),
        (b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 9 +X 9\n", "is not a picture"),
        (b"\x59\xa6\x6a\x95" + b"\x7f" * 28, "is not a picture"),
        (b"\xff\xd8\xff", "is not a picture"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8X", "is not a picture"),
        (b"II*\x00\xff\xff\xff\xff", "is not a picture"),
        (b"", "is not a picture"),
    ],
    ids=["bomb", "none", "pgm", "pfm", "hdr", "sun", "jpeg", "webp", "tiff", "empty"],
)
def test_a_picture_that_is_none_or_claims_too_much_is_refused(
    desk: Desk, content: bytes, words: str
) -> None:
    path = desk.folder / "face.png"
    path.write_bytes(content)
    assert words in desk.edit_refused(3, "--faces", f"reference:{path}")


@pytest.mark.parametrize("ending", [".png", ".jpg", ".webp", ".tif", ".bmp"])
def test_the_size_of_a_picture_is_read_from_its_first_bytes(ending: str) -> None:
    done, data = cv2.imencode(ending, np.zeros((37, 91, 3), np.uint8))
    assert done
    assert picture_size(data.tobytes()) == (91, 37)


def test_every_beginning_of_a_picture_is_refused_or_read(desk: Desk) -> None:
    from pipeline.reference import _decoded

    path = desk.folder / "a"
    for ending in (".png", ".jpg", ".webp", ".tif", ".bmp"):
        data = cv2.imencode(ending, np.zeros((9, 9, 3), np.uint8))[1].tobytes()
        for end in range(0, len(data), max(1, len(data) // 40)):
            path.write_bytes(data[:end])
            with contextlib.suppress(InputError):
                assert _decoded(path, "picture").ndim == 3
