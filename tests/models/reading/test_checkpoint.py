"""Weight files of every kind: read exactly as torch reads them, and nothing in them executed."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import pickle
import pickletools
import random
import struct
import zipfile
from collections import OrderedDict, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.base import WeightsError
from models.reading import inert
from models.reading.checkpoint import read_checkpoint
from models.reading.plain import Module
from models.weights import save_safetensors
from tests.models import weight_files
from tests.models.weight_files import Call


def _content() -> dict[str, Any]:
    """What published files hold, all at once."""
    generator = torch.Generator().manual_seed(3)
    base = torch.randn(4, 5, generator=generator)
    long = torch.randn(100, generator=generator)
    return {
        "state_dict": OrderedDict(
            plain=base,
            again=base,
            transposed=base.T,
            window=long[10:20].reshape(2, 5)[:, 1:3],
            parameter=torch.nn.Parameter(base * 2),
            half=base.half(),
            bfloat=base.bfloat16(),
            double=base.double(),
            counter=torch.tensor(7),
            flags=torch.tensor([True, False]),
            empty=torch.zeros(0, 3),
        ),
        "opts": {"encoder_type": "Encoder4Editing", "lr": 1e-4, "ids": [1, None, True]},
        "args": argparse.Namespace(size=256, path=Path("a/b")),
        "array": np.arange(6.0, dtype=np.float32).reshape(2, 3).T,
        "big_endian": np.array([1, 2], dtype=">i4"),
        "scalar": np.float64(3.5),
        "dtype": torch.float32,
        "default": defaultdict(list, {"a": [1]}),
    }


def _save(path: Path, how: str, content: object) -> Path:
    if how == "zip":
        torch.save(content, path)
    elif how == "legacy":
        torch.save(content, path, _use_new_zipfile_serialization=False)
    else:
        path.write_bytes(pickle.dumps(content, protocol=int(how[-1])))
    return path


@pytest.mark.parametrize("how", ["zip", "legacy", "pickle2", "pickle4"])
def test_what_torch_saves_is_read_back_exactly(tmp_path: Path, how: str) -> None:
    content = _content()
    found = read_checkpoint(_save(tmp_path / "a.pt", how, content)).content
    for key, tensor in content["state_dict"].items():
        assert torch.equal(found["state_dict"][key], tensor), key
        assert found["state_dict"][key].dtype == tensor.dtype
    assert found["opts"] == content["opts"]
    assert found["args"] == {"size": 256, "path": "a/b"}
    assert torch.equal(found["array"], torch.from_numpy(content["array"].copy()))
    assert found["big_endian"].tolist() == [1, 2]
    assert (found["scalar"], found["dtype"]) == (3.5, "torch.float32")
    assert found["default"] == {"a": [1]}


@pytest.mark.parametrize("how", ["zip", "legacy"])
def test_one_tensor_under_several_names_stays_one(tmp_path: Path, how: str) -> None:
    shared = torch.arange(1000.0)
    path = _save(tmp_path / "a.pt", how, {f"alias.{i}": shared for i in range(10)})
    found = read_checkpoint(path).content
    assert len({tensor.data_ptr() for tensor in found.values()}) == 1


def test_reading_never_changes_the_file(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.pt", "zip", {"a": torch.ones(3)})
    before = path.read_bytes()
    read_checkpoint(path).content["a"].zero_()
    assert path.read_bytes() == before


def test_safetensors_and_arrays_are_read(tmp_path: Path) -> None:
    save_safetensors(tmp_path / "a.safetensors", {"x": torch.arange(3.0)}, {})
    assert read_checkpoint(tmp_path / "a.safetensors").content["x"].tolist() == [0, 1, 2]
    np.save(tmp_path / "a.npy", np.eye(2).T)
    assert torch.equal(read_checkpoint(tmp_path / "a.npy").content, torch.eye(2).double())
    np.savez(tmp_path / "a.npz", x=np.ones(2, dtype=">f4"))
    assert read_checkpoint(tmp_path / "a.npz").content["x"].tolist() == [1, 1]


@pytest.mark.parametrize("length", [128, 19280, 35615], ids=["pickle", "zip", "gzip"])
def test_a_safetensors_file_is_known_whatever_its_length_looks_like(
    tmp_path: Path, length: int
) -> None:
    """The first bytes are a number; 128 begins like a pickle, 19280 like a zip."""
    header = b'{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}'.ljust(length)
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", length) + header + b"\x07")
    assert read_checkpoint(path).content["x"].tolist() == [7]


class _Touches:
    """Pickles as a call that leaves a file behind when it is executed."""

    def __init__(self, canary: Path, function: object = os.system) -> None:
        self._call = (function, (f"touch '{canary}'",))

    def __reduce__(self) -> Any:
        return self._call


@pytest.mark.parametrize("how", ["zip", "legacy", "pickle2", "pickle4"])
@pytest.mark.parametrize("function", [os.system, eval, exec, getattr, __import__], ids=str)
def test_a_file_that_would_run_something_is_refused_by_name(
    tmp_path: Path, how: str, function: Any
) -> None:
    canary = tmp_path / "canary"
    content = {"state_dict": {"a": torch.ones(2)}, "opts": {"x": _Touches(canary, function)}}
    path = _save(tmp_path / "evil.pt", how, content)
    with pytest.raises(WeightsError, match=rf"\.{function.__name__}'.*Nothing .* executed") as e:
        read_checkpoint(path)
    assert "\n" not in str(e.value)
    assert not canary.exists()


@pytest.mark.parametrize("how", ["zip", "legacy"])
def test_an_object_of_an_unknown_class_in_the_options_is_refused(tmp_path: Path, how: str) -> None:
    path = _save(tmp_path / "a.pt", how, {"opts": {"when": _Unknown()}})
    with pytest.raises(WeightsError, match=r"refused: .*_Unknown'"):
        read_checkpoint(path)


class _Unknown:
    pass


@pytest.mark.parametrize(
    "program",
    [
        b"\x80\x02(S'true'\nios\nsystem\n.",
        b"\x80\x02(cos\nsystem\nS'true'\no.",
        b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93\x94\x8c\x04true\x94\x85\x94R\x94.",
        b"\x80\x02cos\nsystem\nU\x04true\x85\x81.",
    ],
    ids=["INST", "OBJ", "STACK_GLOBAL", "NEWOBJ"],
)
def test_every_way_to_call_a_name_is_refused(tmp_path: Path, program: bytes) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(program)
    with pytest.raises(WeightsError, match=r"would call 'os\.system'"):
        read_checkpoint(path)


def test_instructions_that_weights_never_use_are_refused_those_of_later_pythons_too(
    tmp_path: Path,
) -> None:
    never = {op.code for op in pickletools.opcodes if op.name.startswith(("EXT", "PERSID"))}
    never |= {op.code for op in pickletools.opcodes if "BUFFER" in op.name}
    used = {chr(code) for code in inert._Machine.dispatch}
    assert used == {op.code for op in pickletools.opcodes} - never
    path = tmp_path / "a.pkl"
    for code in sorted({chr(n) for n in range(256)} - used):
        path.write_bytes(b"\x80\x05N" + code.encode("latin1") + b"\x01\x00\x00\x00\n.")
        with pytest.raises(WeightsError, match="cannot be used"):
            read_checkpoint(path)


def test_a_name_in_a_pickle_is_nothing_that_can_be_called() -> None:
    machine = inert._Machine(io.BytesIO(), {"builtins.list": list}, str)
    assert not callable(machine.find_class("builtins", "list"))


@pytest.mark.parametrize(
    "program",
    [b"\x80\x02\x82\x01.", b"\x80\x02P1\n.", b"\x80\x02K\x01K\x02R.", b"\x80\x02]a.", b"\x80\x02]"],
    ids=["EXT1", "PERSID", "call of a number", "empty stack", "no end"],
)
def test_a_pickle_that_makes_no_sense_is_refused(tmp_path: Path, program: bytes) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(program)
    with pytest.raises(WeightsError, match="cannot be used"):
        read_checkpoint(path)


def test_a_program_hidden_in_the_numbers_of_a_pickle_is_refused(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    inner = io.BytesIO()
    torch.save(_Touches(canary), inner, _use_new_zipfile_serialization=False)
    storage = Call(torch.storage._load_from_bytes, inner.getvalue())
    path = _save(tmp_path / "a.pkl", "pickle4", {"a": storage})
    with pytest.raises(WeightsError, match=r"\.system'"):
        read_checkpoint(path)
    assert not canary.exists()


def test_a_view_beyond_its_numbers_is_refused(tmp_path: Path) -> None:
    storage = torch.ones(4).untyped_storage()
    typed = torch.storage.TypedStorage(wrap_storage=storage, dtype=torch.float32, _internal=True)
    view = Call(torch._utils._rebuild_tensor_v2, typed, 2, (3,), (1,), False, OrderedDict())
    with pytest.raises(WeightsError, match="reaches beyond its 4 numbers"):
        read_checkpoint(_save(tmp_path / "a.pt", "zip", {"a": view}))


def test_a_tensor_of_few_numbers_is_not_read_as_one_of_many(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.pt", "zip", {"a": torch.ones(4).as_strided((10**6, 512), (0, 0))})
    assert path.stat().st_size < 2000
    with pytest.raises(WeightsError, match=r"\[1000000, 512\] is made of only 4 numbers"):
        read_checkpoint(path)


def test_one_row_for_every_layer_is_read_though_it_is_stored_once(tmp_path: Path) -> None:
    row = torch.arange(512.0)
    path = _save(tmp_path / "a.pt", "zip", {"a": row.expand(18, 512)})
    assert torch.equal(read_checkpoint(path).content["a"], row.expand(18, 512))


LAUGH = b"\x80\x02(K\x01t" + b"".join(b"q%ch%c\x86" % (k, k) for k in range(58))
"""A tuple of itself twice, 58 times: to hash or to write it down takes 2**58 steps."""

CLAIMS = {
    "bytearray of a number": b"\x80\x02cbuiltins\nbytearray\n\x8a\x05\x00\xc8\x17\xa8\x04\x85R.",
    "list of a text": b"\x80\x02cbuiltins\nlist\nU\x04abcd\x85R.",
    "deep tuple as key": b"\x80\x04})" + b"\x85" * 100_000 + b"K\x01s.",
    "deep tuple in a set": b"\x80\x04\x8f()" + b"\x85" * 100_000 + b"\x90.",
    "deep tuple": b"\x80\x04)" + b"\x85" * 100_000 + b".",
    "laugh as key": b"\x80\x02}" + LAUGH[2:] + b"K\x01s.",
    "laugh in a frozen set": b"\x80\x04(" + LAUGH[2:] + b"\x91.",
    "laugh in a set": b"\x80\x02cbuiltins\nset\n" + LAUGH[2:] + b"\x85R.",
    "laugh as pairs": b"\x80\x02ccollections\nOrderedDict\n](" + LAUGH[2:] + b"K\x01\x86e\x85R.",
    "laugh as a name": b"\x80\x04" + LAUGH[2:] + b"\x8c\x01a\x93.",
    "laugh as a device": b"\x80\x02ctorch\ndevice\n" + LAUGH[2:] + b"\x85R.",
    "laugh as a path": b"\x80\x02cpathlib\nPosixPath\n" + LAUGH[2:] + b"\x85R.",
    "laugh as an id": LAUGH + b"Q.",
    "laugh": LAUGH + b".",
}


@pytest.mark.parametrize("program", CLAIMS.values(), ids=CLAIMS)
def test_a_pickle_that_would_take_for_ever_is_refused_at_once(
    program: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(program)
    with pytest.raises(WeightsError, match="cannot be used") as e:
        read_checkpoint(path)
    assert len(str(e.value)) < 1000


def test_arrays_that_share_their_numbers_are_no_way_to_more_than_the_file_holds(
    tmp_path: Path,
) -> None:
    reduced: Any = np.zeros(1).__reduce__()
    reconstruct, arguments, _ = reduced
    raw = bytes(100_000)

    class Again:
        def __reduce__(self) -> Any:
            return reconstruct, arguments, (1, (len(raw),), np.dtype("u1"), False, raw)

    path = _save(tmp_path / "a.pkl", "pickle4", [Again() for _ in range(50)])
    assert path.stat().st_size < 200_000
    with pytest.raises(WeightsError, match="arrays that share their numbers"):
        read_checkpoint(path)


def _claiming(shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue() + bytes(64)


def _packed(*members: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (_claiming((10**6, 10**6)), "truncated: 1000000000000 numbers"),
        (_packed(("a.npy", _claiming((10**12,)))), "truncated: 1000000000000 numbers"),
        (_packed(("a.npy", bytes(100_000_000))), "claims to hold 100000000 bytes"),
        (
            _packed(("m/data.pkl", b"."), ("m/byteorder", bytes(10**6))),
            "in which order its numbers are",
        ),
    ],
    ids=["npy", "npz", "packed", "order"],
)
def test_an_array_that_claims_more_than_it_holds_is_refused_from_its_header(
    data: bytes, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(data)
    with pytest.raises(WeightsError, match=words):
        read_checkpoint(path)


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX files")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.pt")
    with pytest.raises(WeightsError, match="is a pipe or a device"):
        read_checkpoint(tmp_path / "a.pt")


def _truncated(data: bytes) -> bytes:
    return data[: len(data) * 2 // 3]


def _zip_of(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return buffer.getvalue()


def _objects() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def _saved(how: str) -> bytes:
    buffer = io.BytesIO()
    torch.save(_content(), buffer, _use_new_zipfile_serialization=how == "zip")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty; download it again"),
        (b"<!DOCTYPE html><html><title>Quota exceeded</title>", "web page saved .* quota"),
        (b"\xef\xbb\xbf\n <html>", "web page saved"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "run `git lfs pull`"),
        (b'{"error": "denied"}', "JSON text"),
        (b"\x89PNG\r\n", "a picture"),
        (b"\x00" * 300, "no kind of weight file this program knows"),
        (_zip_of("logs/tnet_0.pth.tar", "logs/tnet_1.pth.tar"), "2 files .*unpack it"),
        (_zip_of("m/data.pkl", "m/constants.pkl", "m/code/x.py"), "TorchScript program"),
        (_truncated(_saved("zip")), "ends too early"),
        (_truncated(_saved("legacy")), "truncated"),
        (_saved("legacy")[:60], "truncated"),
        (_objects(), "Python objects, .* could run code"),
        (struct.pack("<Q", 1 << 40) + b'{"a":', "cannot be used"),
    ],
    ids=[
        *("empty", "html", "html with mark", "lfs", "json", "png", "zeros", "zip of files"),
        *("torchscript", "cut zip", "cut legacy", "cut early", "objects", "cut safetensors"),
    ],
)
def test_what_a_wrong_file_is_gets_said(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "psp_ffhq_encode.pt"
    path.write_bytes(data)
    with pytest.raises(WeightsError, match=words) as e:
        read_checkpoint(path)
    assert str(path) in str(e.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"cannot read .*nothing\.pt: No such file"):
        read_checkpoint(tmp_path / "nothing.pt")
    with pytest.raises(WeightsError, match="is a folder"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize("how", ["zip", "legacy", "pickle4"])
def test_a_damaged_file_is_refused_or_read_but_never_crashes(tmp_path: Path, how: str) -> None:
    path = _save(tmp_path / "a.pt", how, _content())
    whole, generator = path.read_bytes(), random.Random(5)
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(generator.randint(1, 4)):
            data[generator.randrange(len(data))] = generator.randrange(256)
        path.write_bytes(data)
        with contextlib.suppress(WeightsError):
            read_checkpoint(path)


@pytest.fixture
def ada_pickle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    flat = {
        "resample_filter": torch.ones(4, 4),
        "mapping.weight": torch.arange(6.0).reshape(2, 3),
        "mapping.w_avg": torch.ones(3),
    }
    return weight_files.ada_pickle(tmp_path / "ffhq.pkl", flat, monkeypatch)


def test_the_tensors_of_an_ada_pickle_are_read_and_its_code_is_not(ada_pickle: Path) -> None:
    found = read_checkpoint(ada_pickle).content["G_ema"]
    assert isinstance(found, Module)
    assert found.class_name == "Generator"
    tensors = found.tensors()
    assert sorted(tensors) == ["mapping.w_avg", "mapping.weight", "resample_filter"]
    assert tensors["mapping.weight"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_an_ada_pickle_with_a_call_inside_is_refused(ada_pickle: Path) -> None:
    data = ada_pickle.read_bytes().replace(b"\x8c\x0bdnnlib.util\x94", b"\x8c\x0bsubprocess_\x94")
    ada_pickle.write_bytes(data)
    with pytest.raises(WeightsError, match=r"would call 'subprocess_\.EasyDict'"):
        read_checkpoint(ada_pickle)


def test_a_tensorflow_pickle_is_refused_with_what_to_bring_instead(tmp_path: Path) -> None:
    path = tmp_path / "stylegan2-ffhq-config-f.pkl"
    path.write_bytes(b"\x80\x02cdnnlib.tflib.network\nNetwork\n)\x81.")
    with pytest.raises(WeightsError, match=r"TensorFlow StyleGAN2.*stylegan2-ffhq-config-f\.pt"):
        read_checkpoint(path)
