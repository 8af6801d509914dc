"""The exemplar editor: which references and options it refuses, and what it leaves in a run."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from pipeline import EditRequest, edit
from pipeline.config import EncodeOptions, RenderOptions
from pipeline.editors.exemplar import Exemplar as ExemplarEditor
from pipeline.editors.exemplar import Options
from pipeline.errors import InputError, UsageError
from pipeline.imaging.color import frame_to_rgb_small
from pipeline.loading import load_pack
from pipeline.loading.style import LoadedStylePack
from pipeline.media.opening import open_source
from pipeline.parsing import LABELS, Label, Parsing
from pipeline.progress import Stopwatch
from pipeline.reference import Exemplars
from pipeline.request import Edit, Exemplar
from pipeline.types import AlignedBatch, CropRule

from ...conftest import FaceClip
from ..faces import drawn_face, natural

SAMPLE = Path(__file__).parents[3] / "samples" / "astronaut.mp4"
CPU = torch.device("cpu")
SIDE = 160


@pytest.fixture(scope="module")
def pack() -> Any:
    return load_pack("portrait", CPU)


def a_crop(points: Any, shown: dict[Label, Any] | None = None) -> AlignedBatch:
    """A crop with the points of a face; `shown`: rows of it, as shares of its height, by label."""
    shares = torch.zeros(1, len(LABELS), 64, 64)
    shares[:, LABELS.index("skin")] = 1
    for label, rows in (shown or {}).items():
        part = slice(int(rows[0] * 64), int(rows[1] * 64))
        shares[:, :, part] = 0
        shares[:, LABELS.index(label), part] = 1
    over = torch.tensor([[[2 / SIDE, 0.0, 1 / SIDE - 1], [0.0, 2 / SIDE, 1 / SIDE - 1]]])
    return AlignedBatch(
        images=natural(SIDE, 1, seed=5),
        crop_to_frame=np.eye(3)[None],
        landmarks=torch.as_tensor(points, dtype=torch.float32)[None],
        frame_index=np.zeros(1, np.int64),
        track_id=np.zeros(1, np.int64),
        weights=torch.ones(1),
        parsing=Parsing(shares, over),
    )


class Hands:
    """A kit with one exemplar."""

    device = CPU
    clock = Stopwatch()

    def __init__(self, pack: Any, batch: AlignedBatch) -> None:
        self.face_model, self._batch = pack, batch

    def network(self, role: str) -> Any:
        raise AssertionError(role)

    def exemplar(self, edit: Edit, crop: CropRule) -> AlignedBatch:
        return self._batch


def checked(pack: Any, batch: AlignedBatch, **options: str) -> None:
    asked = Edit("exemplar", 1.0, Exemplar(Path("her.jpg")), tuple(options.items()))
    ExemplarEditor(Hands(pack, batch)).check(asked)


FRONTAL = drawn_face((80.0, 70.0), eyes=44.0)


def test_a_face_from_the_front_is_accepted(pack: Any) -> None:
    for region in ("mouth", "eyes", "brows", "nose", "lower", "face"):
        checked(pack, a_crop(FRONTAL), region=region)


def test_a_profile_is_refused(pack: Any) -> None:
    network = pack.model._network
    yaw = np.radians(65)
    turn = torch.tensor([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0]], dtype=torch.float32)
    points = network.shape.mean[:68] @ turn.T * 44 + torch.tensor([80.0, 70.0])
    with pytest.raises(InputError, match=r"her\.jpg is turned by 6\d degrees.*up to 40"):
        checked(pack, a_crop(points))


def test_a_region_that_is_covered_is_refused_and_another_is_not(pack: Any) -> None:
    hand = a_crop(FRONTAL, {"front": (0.5, 1.0)})
    with pytest.raises(InputError, match=r"region 'mouth', the rest is covered.*--region"):
        checked(pack, hand, region="mouth")
    checked(pack, hand, region="eyes")
    fringe = a_crop(FRONTAL, {"hair": (0.0, 0.45)})
    with pytest.raises(InputError, match="region 'brows', the rest is covered"):
        checked(pack, fringe, region="brows")
    checked(pack, fringe, region="mouth")


def test_hair_beside_a_bare_chin_is_no_beard(pack: Any) -> None:
    batch = a_crop(FRONTAL)
    assert batch.parsing is not None
    shares = batch.parsing.shares
    beside = torch.zeros(64, 64)
    beside[28:, :24] = 1  # long hair before one cheek
    chin = torch.zeros(64, 64)
    chin[38:, 22:44] = 1
    found = []
    for where in (beside, torch.maximum(beside, chin)):
        shares[0] = 0
        shares[0, LABELS.index("hair")] = where
        shares[0, LABELS.index("skin")] = 1 - where
        found.append(pack.carrier.likeness(batch))
    long_hair, beard = found
    cheek = (slice(None), slice(230, 280), slice(60, 100))  # texels at the height of the mouth
    hidden = long_hair["clear"][cheek] < 0.5
    assert hidden.any()
    assert long_hair["hair"].max() == 0
    assert beard["clear"][cheek][hidden].min() > 0.9
    assert beard["hair"][cheek][hidden].min() > 0.4


def test_what_cannot_be_kept_out_is_refused_with_the_nearest(pack: Any) -> None:
    checked(pack, a_crop(FRONTAL), keep_out="moustache, old,smiling")
    with pytest.raises(UsageError, match=r"--keep-out 'agge'.*did you mean 'age'.*beard, smile"):
        checked(pack, a_crop(FRONTAL), keep_out="beard,agge")


def test_a_pack_that_cannot_carry_regions_says_so() -> None:
    assert LoadedStylePack.carrier.fget(None) is None  # type: ignore[attr-defined]
    other = SimpleNamespace(name="mini", carrier=None)
    with pytest.raises(UsageError, match=r"'mini' cannot carry a region.*--pack portrait can"):
        checked(other, a_crop(FRONTAL))


def test_files_that_show_no_face_to_take_are_refused(tmp_path: Path) -> None:
    read = Exemplars(CPU).face
    with pytest.raises(InputError, match=r"cannot read the exemplar.*none\.jpg"):
        read(Exemplar(tmp_path / "none.jpg"))
    (tmp_path / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    with pytest.raises(InputError, match=r"torn\.png is not a picture that can be read"):
        read(Exemplar(tmp_path / "torn.png"))
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((200, 200, 3), 120, np.uint8))
    with pytest.raises(InputError, match=r"no face found in the exemplar .*wall\.png"):
        read(Exemplar(tmp_path / "wall.png"))


def a_picture(path: Path, *, mirrored: bool = False, twice: bool = False) -> Path:
    """The person of the sample."""
    with open_source(SAMPLE).frames() as reader:
        rgb = frame_to_rgb_small(next(iter(reader)), 360)
    picture = rgb[:, ::-1] if mirrored else rgb
    cv2.imwrite(str(path), (np.hstack([picture, picture]) if twice else picture)[:, :, ::-1])
    return path


def test_of_two_faces_one_must_be_named(tmp_path: Path) -> None:
    two = a_picture(tmp_path / "two.png", twice=True)
    exemplars = Exemplars(CPU)
    with pytest.raises(InputError, match=r"2 faces.*FILE@FRAME:N \(0 at \d+,\d+ px, 1 at"):
        exemplars.face(Exemplar(two))
    left, right = (exemplars.face(Exemplar(two, 0, n))[1] for n in (0, 1))
    assert (right - left)[:, 0].mean() > 200


def test_a_run_changes_the_region_only_and_reports_the_exemplar(
    face_clip: FaceClip, tmp_path: Path
) -> None:
    her = a_picture(tmp_path / "her.png", mirrored=True)
    request = EditRequest(
        face_clip.path,
        ("exemplar=1",),
        exemplar=Exemplar(her),
        settings=("exemplar.region=mouth",),
        render=RenderOptions(blend="none"),
        encode=EncodeOptions(codec="ffv1"),
        frames="0-1",
        analysis_path=face_clip.analysis,
        cache=tmp_path / "cache",
    )
    out = tmp_path / "out.mkv"
    report = edit(request, out)
    (said,) = report.options["attributes"]
    exemplars = Exemplars(CPU)
    assert said["exemplar"]["sha256"] == exemplars.sha256(Exemplar(her))
    assert said["options"] == {"region": "mouth"}
    json.dumps(said)
    shown = []
    for path in (face_clip.path, out):
        with open_source(path).frames() as reader:
            shown.append(frame_to_rgb_small(next(iter(reader)), 10_000).astype(int))
    changed = np.abs(shown[1] - shown[0]).max(axis=2) > 3
    points = exemplars.face(Exemplar(face_clip.path))[1]
    rows = np.flatnonzero(changed.any(axis=1))
    assert points[29, 1] < rows[0], "above the tip of the nose nothing changes"
    assert rows[-1] < points[8, 1]
    assert changed[int(points[62, 1]), int(points[48, 0]) : int(points[54, 0])].any()


def test_options_name_regions_and_what_is_kept_out() -> None:
    assert Options(keep_out=" beard, age,").kept_out == ("beard", "age")
    assert Options().kept_out == ()
