"""Files beside the video: analysis, landmarks, presets, pictures, weights, packs."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import av
import cv2
import numpy as np

from .mutate import mutant
from .run import Family, command, complaint_of
from .structures import json_mutant, npz_mutant, pickle_mutant, toml_mutant

_SAMPLE = Path(__file__).parents[2] / "samples" / "astronaut.mp4"
_SIDE, _FRAMES = 160, 4


def _pictures() -> list[np.ndarray]:
    with av.open(str(_SAMPLE)) as container:
        frames = [f for f, _ in zip(container.decode(video=0), range(_FRAMES), strict=False)]
    return [
        f.reformat(_SIDE, _SIDE, interpolation="AREA").to_ndarray(format="rgb24") for f in frames
    ]


def _clip(folder: Path) -> Path:
    """Write a clip of a face, the same bytes every time."""
    path = folder / "face.avi"
    with av.open(str(path), "w") as container:
        container.flags |= 0x400  # AVFMT_FLAG_BITEXACT
        stream = container.add_stream("mjpeg", rate=25, options={"threads": "1"})
        stream.width = stream.height = _SIDE
        stream.pix_fmt = "yuvj420p"
        for index, picture in enumerate(_pictures()):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = index
            container.mux(stream.encode(frame.reformat(format="yuvj420p")))
        container.mux(stream.encode(None))
    return path


def _edit(folder: Path, *more: str | Path) -> str:
    """Edit the clip with a damaged file; complain of whatever the program should not do."""
    clip = _clip(folder)
    before = clip.read_bytes()
    output = folder / "out.mkv"
    options = () if "--config" in more else ("--attr", "smile")
    code, said = command("edit", clip, "-o", output, "--quiet", *options, *more)
    if code and output.exists():
        return "an output in spite of an error"
    if clip.read_bytes() != before:
        return "the clip was changed"
    return complaint_of(code, said)


def _make_analysis(folder: Path) -> None:
    clip = _clip(folder)
    command("analyze", clip, "-o", folder / "face.json", "--quiet")
    clip.unlink()


def _check_analysis(data: bytes, name: str, folder: Path) -> str:
    (folder / name).write_bytes(data)
    return _edit(folder, "--analysis", folder / name)


def _make_landmarks(folder: Path) -> None:
    _make_analysis(folder)
    document = json.loads((folder / "face.json").read_text())
    (folder / "face.json").unlink()
    lines = document["tracks"][0]["frames"]
    faces = [{"frame": line["frame"], "landmarks": line["landmarks"]} for line in lines]
    (folder / "marks.json").write_text(json.dumps({"faces": faces}))
    points = np.array([face["landmarks"] for face in faces], np.float32)
    np.savez(folder / "marks.npz", points=points, found=np.ones(len(points), bool))


def _check_landmarks(data: bytes, name: str, folder: Path) -> str:
    """What can be analyzed can be read again, too."""
    path, stored = folder / name, folder / "stored.json"
    path.write_bytes(data)
    options = ("--landmarks", path, "-o", stored, "--quiet")
    code, said = command("analyze", _clip(folder), *options)
    complaint = complaint_of(code, said)
    return complaint if code or complaint else _edit(folder, "--analysis", stored)


def _landmarks_mutant(whole: bytes, name: str, seed: int) -> bytes:
    return (npz_mutant if name.endswith(".npz") else json_mutant)(whole, name, seed)


def _make_presets(folder: Path) -> None:
    (folder / "preset.toml").write_text(
        'attr = ["smile=0.5"]\nstrength = 1.0\nfaces = "largest"\nblend = "alpha"\n'
        'smoothing_s = 0.1\nmax_gap_s = 0.3\ndetect_every_s = 0.5\nlandmarks = "embedded"\n'
        'occlusion = true\nbatch_size = 1\ncodec = "ffv1"\npix_fmt = "yuv420p"\n'
    )


def _check_preset(data: bytes, name: str, folder: Path) -> str:
    (folder / name).write_bytes(data)
    return _edit(folder, "--config", folder / name)


def _make_pictures(folder: Path) -> None:
    picture = np.ascontiguousarray(_pictures()[0][..., ::-1])
    for ending in (".png", ".jpg", ".webp", ".tif", ".bmp"):
        cv2.imwrite(str(folder / f"face{ending}"), picture)


def _check_picture(data: bytes, name: str, folder: Path) -> str:
    (folder / name).write_bytes(data)
    return _edit(folder, "--faces", f"reference:{folder / name}")


def _make_weights(folder: Path) -> None:
    import torch

    from models.weights import save_safetensors
    from tests.models.weight_files import CODE, LAYERS, generator_state

    state = generator_state()
    generator = {"g_ema": state, "latent_avg": torch.ones(CODE)}
    torch.save(generator, folder / "generator.pt")
    vector = torch.linspace(-1, 1, LAYERS * CODE).reshape(LAYERS, CODE)
    torch.save(vector, folder / "smile.pt", _use_new_zipfile_serialization=False)
    (folder / "smile.pkl").write_bytes(pickle.dumps(vector.numpy(), protocol=4))
    np.save(folder / "smile.npy", vector.numpy())
    np.savez(folder / "smile.npz", vector=vector.numpy())
    save_safetensors(folder / "flat.safetensors", state, {})


def _check_weights(data: bytes, name: str, folder: Path) -> str:
    """What was imported is whole; what was refused left nothing."""
    os.environ["VISAGIST_HOME"] = str(folder / "home")
    (folder / name).write_bytes(data)
    code, said = command("models", "import", folder / name, "--as", "mine")
    stored = sum(p.stat().st_size for p in (folder / "home").rglob("*") if p.is_file())
    if code and stored:
        return "something was stored in spite of an error"
    if stored > 20 * len(data) + 1_000_000:
        return f"{len(data)} bytes became {stored} in the store"
    return complaint_of(code, said) or complaint_of(*command("models", "verify"))


def _weights_mutant(whole: bytes, name: str, seed: int) -> bytes:
    return (npz_mutant if name.endswith(".npz") else pickle_mutant)(whole, name, seed)


def _make_packs(folder: Path) -> None:
    from tests.style_pack import write_tiny_pack

    for file in write_tiny_pack(folder / "pack").iterdir():
        file.replace(folder / file.name) if file.suffix == ".toml" else file.unlink()
    (folder / "pack").rmdir()


def _check_pack(data: bytes, name: str, folder: Path) -> str:
    """A damaged pack stops nothing but itself."""
    from tests.style_pack import write_tiny_pack

    os.environ["VISAGIST_HOME"] = str(folder)
    pack = write_tiny_pack(folder / "packs" / "tiny")
    (pack / name).write_bytes(data)
    for arguments in (["models"], ["attrs"], ["models", "verify"], ["attrs", "--pack", "tiny"]):
        code, said = command(*arguments)
        if complaint := complaint_of(code, said):
            return complaint
        if code and len(arguments) == 1:
            return f"`{arguments[0]}` fails: {said.strip()}"
    return _edit(folder, "--pack", "tiny")


FAMILIES = (
    Family("analysis", _make_analysis, _check_analysis, transform=json_mutant),
    Family("landmarks", _make_landmarks, _check_landmarks, transform=_landmarks_mutant),
    Family("preset", _make_presets, _check_preset, transform=toml_mutant),
    Family("picture", _make_pictures, _check_picture, transform=mutant),
    Family("weights", _make_weights, _check_weights, transform=_weights_mutant),
    Family("pack", _make_packs, _check_pack, transform=toml_mutant),
)
