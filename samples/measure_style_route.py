"""Time the StyleGAN2 route at the published size, without any published weights.

    python samples/measure_style_route.py CLIP [--frames 8] [--threads 2] [--transfer replace]
    python samples/measure_style_route.py --store FOLDER

Makes files of the published kinds (a pSp checkpoint with its 1024-px generator, and one latent
transformer) filled with random numbers seeded by the tensors' names, brings them in with `models
import` into a temporary store, edits the first frames of the clip with that pack, and prints a
table beside the CPU cost of the reference networks. Random numbers draw random pictures: what is
shown is that the route runs, how long it takes, and in how much memory. Needs 5 GB of disk for a
few minutes.

With `--store` the pack `ffhq` is left in that store, to be measured otherwise:

    VISAGIST_HOME=FOLDER python -m pipeline bench CLIP --pack ffhq --device cuda --batch-size 16
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
REFERENCE_S = {
    "find faces (S3FD 640×480)": 1.84,
    "landmarks (2D-FAN-4)": 0.81,
    "encode (pSp)": 2.71,
    "generate (StyleGAN2 1024)": 3.17,
    "clone (OpenCV)": 0.10,
}
"""CPU seconds a frame of the networks the method was published with."""
SEED_SALT = 0x5EED
SMILING = 31
"""Number of the attribute in the published transformers."""


def name_seeded(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a state dict with the spread of the given one and numbers seeded by tensor names."""
    import numpy as np
    import torch

    seeded = {}
    for key, value in state.items():
        flat = value.float().flatten()
        spread = float(flat.std()) if flat.numel() > 1 else 0.0
        if key.endswith("kernel") or spread == 0.0:
            seeded[key] = value  # filters, and what starts as a constant, keep their meaning
            continue
        generator = np.random.Generator(np.random.PCG64(zlib.crc32(key.encode()) ^ SEED_SALT))
        drawn = generator.standard_normal(tuple(value.shape), dtype=np.float32)
        drawn *= np.float32(spread)
        drawn += np.float32(flat.mean())
        seeded[key] = torch.from_numpy(drawn)
    return seeded


def make_files(folder: Path) -> None:
    """Write `psp_ffhq_encode.pt` and `tnet_31.pth.tar` as their authors wrapped them."""
    sys.path.insert(0, str(ROOT))
    import torch

    from models.encoders import untrained
    from models.latent_transformer import WPlusTransformer
    from models.stylegan2.net import Generator

    torch.manual_seed(0)
    generator = Generator(1024)
    mean = generator.mean_w(256)
    state = {f"decoder.{k}": v for k, v in name_seeded(generator.state_dict()).items()}
    state |= {f"encoder.{k}": v for k, v in name_seeded(untrained("psp").state_dict()).items()}
    options = {"encoder_type": "GradualStyleEncoder", "start_from_latent_avg": True}
    options |= {"output_size": 1024, "learn_in_w": False}
    content = {"state_dict": state, "opts": options, "latent_avg": mean.repeat(18, 1)}
    torch.save(content, folder / "psp_ffhq_encode.pt")
    torch.save(name_seeded(WPlusTransformer().state_dict()), folder / f"tnet_{SMILING}.pth.tar")


def bring(folder: Path, environment: dict[str, str]) -> None:
    """Make the files in a folder, bring them in as the pack `ffhq`, and remove them."""
    # In a process of its own: it holds 3 GB.
    subprocess.run([sys.executable, __file__, str(folder), "--files-only"], check=True)
    brought = (folder / "psp_ffhq_encode.pt", folder / f"tnet_{SMILING}.pth.tar")
    used = run("models", "import", *brought, "--as", "ffhq", environment=environment)
    print(f"models import: {used[0]:.0f} s, at most {used[2]:.1f} GB of memory", flush=True)
    for file in brought:
        file.unlink()


def first_frames(clip: Path, count: int, target: Path) -> int:
    """Write the first frames of a clip without loss; return how many there were."""
    import av

    with av.open(str(clip)) as source, av.open(str(target), "w") as out:
        stream = source.streams.video[0]
        rate = Fraction(stream.average_rate or 25)
        video = out.add_stream("libx264", rate, options={"crf": "0", "preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = stream.width, stream.height, "yuv420p"
        written = 0
        for frame in source.decode(video=0):
            if written == count:
                break
            plain = frame.reformat(format="yuv420p")
            plain.pts, plain.time_base = written, 1 / rate
            out.mux(video.encode(plain))
            written += 1
        out.mux(video.encode(None))
    return written


def run(*arguments: str | Path, environment: dict[str, str]) -> tuple[float, float, float]:
    """Run `python -m pipeline …`; return seconds, processor seconds, most memory held [GB].

    Raises:
        SystemExit: the command failed; its own words stand on stderr.
    """
    start = time.perf_counter()
    command = [sys.executable, "-m", "pipeline", *map(str, arguments)]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if code := os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{' '.join(command)} failed with exit code {code}")
    # Linux counts in KB, macOS in bytes.
    unit = 1e9 if sys.platform == "darwin" else 1e6
    processor = usage.ru_utime + usage.ru_stime
    return time.perf_counter() - start, processor, usage.ru_maxrss / unit


def report_table(
    report: dict[str, Any], frames: int, used: tuple[float, float, float], threads: int
) -> str:
    """Return what is printed: seconds a frame of ours beside the reference networks'."""
    spent = {stage: total / frames for stage, total in report["seconds"].items()}
    # One pass after the other; what threads do at the same time in the last one is not added up.
    passes = {
        "analyze": spent["analyze"],
        "prepare": spent["prepare"],
        "edit, generate, blend and write": spent["wait for edits"] + spent["wait for encoder"],
    }
    rows = [(f"  reference: {name}", value) for name, value in REFERENCE_S.items()]
    reference = sum(REFERENCE_S.values())
    rows.append(("reference, processor time of the networks", reference))
    rows += [(f"  visagist: {name}", value) for name, value in passes.items()]
    rows.append(("visagist, all passes", sum(passes.values())))
    pack = report["options"]["pack"]
    lines = [f"{name:<44}{value:8.2f} s/frame" for name, value in rows]
    lines += [
        (
            f"processor time with loading: {used[1] / frames:.2f} s/frame, "
            f"{used[1] / frames / reference:.2f} of the reference (target 0.33)"
        ),
        f"{frames} frames, {threads} thread(s), {pack['transfer']}, {pack['precision']}; the whole "
        "command {:.0f} s ({:.0f} s of processor), loading included; at most {:.1f} GB of "
        "memory".format(*used),
    ]
    return "\n".join(lines)


def main() -> None:
    """Make the files, bring them in, edit, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("clip", type=Path, nargs="?")
    parser.add_argument("--store", type=Path, help="only leave the pack in this store")
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--transfer", default="replace", choices=("replace", "delta"))
    parser.add_argument("--precision", default="auto", choices=("auto", "fp32", "bf16"))
    parser.add_argument("--batch-size", type=int, default=None)
    parser.add_argument("--files-only", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.files_only:
        make_files(asked.clip)
        return
    if (asked.clip is None) == (asked.store is None):
        parser.error("give a clip to be edited, or --store FOLDER to leave the pack in")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        home = (asked.store or folder / "home").resolve()
        environment = {**os.environ, "VISAGIST_HOME": str(home)}
        bring(folder, environment)
        if asked.store is not None:
            return
        clip, report = folder / "clip.mp4", folder / "report.json"
        frames = first_frames(asked.clip, asked.frames, clip)
        options = ["--pack", "ffhq", "--attr", "smile=1", "--transfer", asked.transfer]
        options += ["--precision", asked.precision, "--threads", str(asked.threads), "--quiet"]
        options += ["--batch-size", str(asked.batch_size)] if asked.batch_size else []
        options += ["--report", str(report), "-o", str(folder / "out.mp4")]
        used = run("edit", clip, *options, environment=environment)
        print(report_table(json.loads(report.read_text()), frames, used, asked.threads))


if __name__ == "__main__":
    main()
