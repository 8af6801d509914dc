"""A plan is data: it is compared, cut, sent to another process and carried out there."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from pipeline.errors import UsageError, WeightsError
from pipeline.request import Edit, EditRequest
from pipeline.session import Session, open_session
from pipeline.types import Frame
from tests.conftest import FaceClip
from tests.pipeline.moving import SAMPLE

ELSEWHERE = """
import hashlib, pickle, sys
from pathlib import Path
from pipeline.session import open_session

if __name__ == "__main__":
    plan = pickle.loads(Path(sys.argv[1]).read_bytes())
    session = open_session(plan.request)
    for result in session.render(plan):
        planes = b"".join(plane.tobytes() for plane in result.frame.planes)
        print(result.frame.index, result.frame.pts, hashlib.sha256(planes).hexdigest())
"""


def line_of(frame: Frame) -> str:
    planes = b"".join(plane.tobytes() for plane in frame.planes)
    return f"{frame.index} {frame.pts} {hashlib.sha256(planes).hexdigest()}"


@pytest.fixture
def _one_thread() -> Iterator[None]:
    """With several threads of torch sums may come in another order on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("_one_thread")
@pytest.mark.parametrize("pack", ["portrait", "mini"])
def test_a_plan_is_carried_out_in_another_process_byte_for_byte(pack: str, tmp_path: Path) -> None:
    request = EditRequest(SAMPLE, ("smile=1.5",))
    request = dataclasses.replace(
        request, render=dataclasses.replace(request.render, pack=pack), cache=tmp_path / "cache"
    )
    session = open_session(request)
    path = tmp_path / "plan"
    path.write_bytes(pickle.dumps(session.plan.chunk(20, 40)))
    whole = [line_of(result.frame) for result in session.render(session.plan)]
    script = tmp_path / "elsewhere.py"
    script.write_text(ELSEWHERE)
    done = subprocess.run(
        [sys.executable, str(script), str(path)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    assert done.stdout.splitlines() == whole[20:40]


@pytest.fixture(scope="module")
def session(face_clip: FaceClip) -> Session:
    request = EditRequest(face_clip.path, ("smile=1.5",), analysis_path=face_clip.analysis)
    return open_session(request)


def test_plans_are_equal_by_their_content(session: Session) -> None:
    plan = session.plan
    assert plan == pickle.loads(pickle.dumps(plan))
    assert plan == open_session(session.request).plan
    assert plan != plan.chunk(0, 3)
    assert plan != plan.with_edits([Edit("smile", 1.0)])


def test_a_chunk_is_a_part_of_its_plan(session: Session) -> None:
    part = session.plan.chunk(2, 6)
    assert [result.frame.index for result in session.render(part)] == [2, 3, 4, 5]
    assert (part.chunk(3, 5).start, part.chunk(3, 5).stop) == (3, 5)
    for start, stop in ((0, 11), (-1, 3), (4, 4)):
        with pytest.raises(UsageError, match="are no part of 0 to 9"):
            session.plan.chunk(start, stop)


def test_a_plan_of_other_weights_is_refused(session: Session) -> None:
    other = dataclasses.replace(session.plan, artefacts=("0" * 64,))
    with pytest.raises(WeightsError, match="made with other weights"):
        next(session.render(other))


def test_one_frame_is_looked_at_with_any_edit(session: Session) -> None:
    with session.frames(session.plan, 3, 4) as reading:
        (frame,) = reading
    view = session.look(frame)
    still = session.look(frame, [Edit("smile", 0.0)])
    assert view.faces[0].source.track_id.tolist() == [0]
    assert set(view.views[0]) == {"reconstruction", "reconstruction-edited"}
    assert (view.result.frame.planes[0] != frame.planes[0]).any()
    assert (still.result.frame.planes[0] == frame.planes[0]).all()
