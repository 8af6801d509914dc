"""dlib's face recognition: its file is read whole or refused, and it sees what dlib sees."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from models.base import ModelError, ModelInputError, WeightsError
from models.recognition import ResnetRecogniser, judge, open_recogniser, packaged_file
from models.recognition.dat import read_resnet
from models.recognition.net import INPUT_SIDE, FaceResnet


def whole(value: int) -> bytes:
    """A whole number as dlib writes it."""
    digits = abs(value).to_bytes(max(1, (abs(value).bit_length() + 7) // 8), "little")
    return bytes([len(digits) | (0x80 if value < 0 else 0)]) + digits


def text(name: str) -> bytes:
    return whole(len(name)) + name.encode()


def tensor(values: Tensor, sizes: tuple[int, int, int, int]) -> bytes:
    numbers = values.flatten().tolist()
    head = b"".join(map(whole, (2, *sizes)))
    return head + struct.pack(f"<{len(numbers)}f", *numbers)


def layers(net: FaceResnet) -> list[bytes]:
    """The layers of a network as dlib would write them, with what stands between them left out."""
    out = []
    for scaled in net.convolutions():
        assert scaled.conv.bias is not None
        conv = torch.cat([scaled.conv.weight.flatten(), scaled.conv.bias])
        out.append(text("con_4") + tensor(conv, (len(conv), 1, 1, 1)) + whole(-3))
        affine = torch.cat([scaled.gamma.flatten(), scaled.beta.flatten()])
        out.append(text("affine_") + tensor(affine, (len(affine), 1, 1, 1)) + text("relu_110"))
    head = net.head.weight.T
    rows, columns = head.shape
    return [*out, text("fc_2") + whole(columns) + whole(rows) + tensor(head, (rows, columns, 1, 1))]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[FaceResnet, Path]:
    """A network with random weights, and its file."""
    torch.manual_seed(0)
    net = FaceResnet()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(0.05 * torch.randn_like(parameter))
    path = tmp_path_factory.mktemp("dlib") / "net.dat"
    path.write_bytes(b"".join(layers(net)))
    return net, path


def test_what_was_written_is_read(written: tuple[FaceResnet, Path]) -> None:
    net, path = written
    read = read_resnet(path)
    for (name, before), after in zip(
        net.state_dict().items(), read.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(after, before, rtol=0, atol=0, msg=name)


def test_other_files_are_refused_with_what_is_wrong(
    written: tuple[FaceResnet, Path], tmp_path: Path
) -> None:
    data, path = written[1].read_bytes(), tmp_path / "other.dat"
    cases = {
        "ends before its last layer": b"".join(layers(written[0])[:-1]),
        "it ends within a layer": data[: len(data) // 2],
        "a layer has 4736 numbers, not 64": layers(written[0])[0] * 2,
        "version 1, not 2": data.replace(text("con_4") + whole(2), text("con_4") + whole(1), 1),
    }
    for words, content in cases.items():
        path.write_bytes(content)
        with pytest.raises(WeightsError, match=words):
            read_resnet(path)
    with pytest.raises(WeightsError, match="cannot read the face recognition"):
        read_resnet(tmp_path / "missing.dat")


def test_a_face_is_cut_out_at_its_place_whatever_the_size() -> None:
    ramp = torch.linspace(-1, 1, 512)[None, None, None].expand(2, 3, 512, 512)
    chips = judge.chips(ramp)
    assert chips.shape == (2, 3, INPUT_SIDE, INPUT_SIDE)
    # The middle of the cut lies at column (42 + 218) / 2 of 256.
    assert chips[0, 0, 0, 74:76].mean().item() == pytest.approx(255 * 130 / 256, abs=1)
    torch.testing.assert_close(judge.chips(ramp[:, :, ::2, ::2]), chips, atol=1.5, rtol=0)
    with pytest.raises(ModelInputError, match=r"got \(1, 3, 4, 5\)"):
        judge.chips(torch.zeros(1, 3, 4, 5))


def test_distances_are_those_of_descriptions_and_one_picture_serves_for_all(
    written: tuple[FaceResnet, Path],
) -> None:
    recogniser = ResnetRecogniser(written[0])
    images = torch.rand(3, 3, 64, 64) * 2 - 1
    told = recogniser.distances(images[:1], images)
    assert told[0] == pytest.approx(0, abs=1e-5)
    described = recogniser.described(images).detach()
    expected = [float((described[0] - row).norm()) for row in described]
    assert told.tolist() == pytest.approx(expected, abs=1e-5)


def test_the_extra_is_found_without_running_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: tuple[FaceResnet, Path]
) -> None:
    folder = tmp_path / "face_recognition_models"
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('run')")
    monkeypatch.setattr(judge, "PACKAGE", "face_recognition_models")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert packaged_file() is None, "the package is there, its file is not"
    with pytest.raises(ModelError, match=r"pip install 'visagist\[identity\]'"):
        open_recogniser()
    file = folder / "models" / "dlib_face_recognition_resnet_model_v1.dat"
    file.write_bytes(written[1].read_bytes())
    assert packaged_file() == file
    assert open_recogniser().other_person == 0.6


def test_it_sees_what_dlib_sees() -> None:
    """Against dlib itself, where the extra is installed."""
    path = packaged_file()
    if path is None:
        pytest.skip("the extra `identity` is not installed")
    import dlib

    net, theirs = read_resnet(path), dlib.face_recognition_model_v1(str(path))
    random = np.random.default_rng(0)
    coarse = torch.from_numpy(random.uniform(0, 255, (2, 3, 9, 9))).float()
    chips = torch.nn.functional.interpolate(coarse, INPUT_SIDE, mode="bilinear").round()
    with torch.inference_mode():
        ours = net(chips).numpy()
    for chip, described in zip(chips, ours, strict=True):
        levels = np.ascontiguousarray(chip.permute(1, 2, 0).numpy().astype(np.uint8))
        np.testing.assert_allclose(described, theirs.compute_face_descriptor(levels), atol=1e-5)
