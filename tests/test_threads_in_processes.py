"""Native code used by several threads at once, in processes of their own: a crash is seen as one.

What a thread does wrong to a native object shows as a damaged heap, now and then, and ends the
process without a word. So whole runs are repeated; `VISAGIST_STRESS=50` repeats them that often.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.conftest import FaceClip, write_clip

ROOT = Path(__file__).resolve().parents[1]
RUNS = int(os.environ.get("VISAGIST_STRESS", "2"))

TWO_THREADS = """
import sys, threading
import numpy as np
from pipeline.tracking.detector import find_boxes
from pipeline.types import Frame, PixelEncoding

pictures = np.load(sys.argv[1])
encoding = PixelEncoding("gray", 8, "gray", True)
frames = [Frame(i, i, 1, (p,), encoding) for i, p in enumerate(pictures)]

def search(out):
    out.extend(find_boxes(frame, 480, thorough=i % 2 == 0) for i, frame in enumerate(frames))

alone, *together = [], [], []
search(alone)
threads = [threading.Thread(target=search, args=(out,)) for out in together]
for thread in threads: thread.start()
for thread in threads: thread.join()
for boxes in together:
    assert len(boxes) == len(alone)
    assert all(np.array_equal(a, b) for a, b in zip(alone, boxes))
print(sum(map(len, alone)))
"""

PREPARED_AND_FOUND = """
import sys, threading
import numpy as np
from pipeline.tracking import detect
from pipeline.types import Frame, PixelEncoding

nobody = np.zeros((0, 4), np.float32)
detect.find_boxes = lambda *_, **__: nobody
detect.find_turned = lambda *_, **__: np.zeros((0, 4))
sys.setswitchinterval(1e-6)
encoding = PixelEncoding("gray", 8, "gray", True)
plane = np.zeros((16, 16), np.uint8)
frames = [Frame(i, i, 1, (plane,), encoding) for i in range(6000)]
finder = detect.EmbeddedFinder(None, detect.DetectOptions(every=1000))
ahead = threading.Semaphore(0)

def prepare():
    for frame in frames:
        finder.prepare(frame, may_be_cut=True)
        ahead.release()

thread = threading.Thread(target=prepare)
thread.start()
for frame in frames:
    ahead.acquire()
    assert finder.find([frame], []) == [[]]
thread.join()
print(len(finder._cuts), len(finder._boxes))
"""


TWO_EDITS = """
import sys, threading
from pathlib import Path
from pipeline import EditRequest, edit

clip, folder = Path(sys.argv[1]), Path(sys.argv[2])
asked = ("smile=1", "hair-grey=1")
sys.setswitchinterval(1e-4)

def made(attribute, name):
    request = EditRequest(clip, (attribute,), frames="0-2", cache=folder / name)
    edit(request, folder / f"{name}.mp4")

threads = [threading.Thread(target=made, args=(a, f"{n}")) for n, a in enumerate(asked)]
for thread in threads: thread.start()
for thread in threads: thread.join()
for n, attribute in enumerate(asked):
    made(attribute, f"{n}-alone")
    together, alone = (folder / f"{n}{end}.mp4" for end in ("", "-alone"))
    assert together.read_bytes() == alone.read_bytes(), attribute
"""


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )


def _blurred_noise(count: int, height: int, width: int) -> list[np.ndarray]:
    """Pictures without a face, each another: every one of them is searched."""
    rng = np.random.default_rng(5)
    small = rng.integers(0, 255, (count, 9, 12, 3), dtype=np.uint8)
    return [cv2.resize(s, (width, height), interpolation=cv2.INTER_CUBIC) for s in small]


def test_two_threads_find_the_boxes_that_one_finds(
    tmp_path: Path, astronaut: list[np.ndarray]
) -> None:
    pictures = [cv2.cvtColor(p, cv2.COLOR_RGB2GRAY) for p in astronaut]
    pictures += [p[..., 0] for p in _blurred_noise(20, *pictures[0].shape)]
    np.save(tmp_path / "pictures.npy", np.stack(pictures))
    for _ in range(RUNS):
        done = _run("-c", TWO_THREADS, str(tmp_path / "pictures.npy"))
        assert done.returncode == 0, done.stderr
        assert int(done.stdout) >= len(astronaut)


def test_a_finder_is_prepared_on_one_thread_while_it_finds_on_another() -> None:
    for _ in range(RUNS):
        done = _run("-c", PREPARED_AND_FOUND)
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == ["1000", "0"]


def test_two_edits_at_once_load_and_share_the_networks_and_make_what_each_makes_alone(
    tmp_path: Path, face_clip: FaceClip
) -> None:
    for run in range(max(1, RUNS // 2)):
        (folder := tmp_path / str(run)).mkdir()
        done = _run("-c", TWO_EDITS, str(face_clip.path), str(folder))
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", ["analyze", "edit"])
def test_a_clip_without_a_face_never_ends_a_run(tmp_path: Path, command: str) -> None:
    clip = write_clip(tmp_path / "clip.mp4", _blurred_noise(60, 240, 320))
    options = ["--attr", "smile"] if command == "edit" else []
    for _ in range(RUNS):
        target = tmp_path / ("out.mp4" if command == "edit" else "out.json")
        done = _run(
            "-m", "pipeline", command, str(clip), "-o", str(target), "--overwrite", *options
        )
        assert done.returncode == 0, done.stderr
        assert "no face" in done.stderr
        assert target.stat().st_size
