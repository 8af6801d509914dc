"""A work folder that is full: `python -m tests.pipeline.batch.full_disk FOLDER KB [KB …]`.

In FOLDER lies `reel.toml`, whose work folder is `work` and whose targets go to `out`. For every
size a file system of so many kB is mounted at `work` and the batch run; then it is enlarged, and
the same command run again. Prints for each size, as JSON, both exit codes, what there was of
targets after the first run and after the second, and what the first one said. Linux only, and in a
user namespace of its own: `unshare -rm` begins it.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.cli import main as visagist
from pipeline.console import show


def mounted(work: Path, size_kb: int, *, again: bool = False) -> None:
    options = f"{'remount,' if again else ''}size={size_kb}k"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(work)], check=True)


def targets(folder: Path) -> dict[str, str]:
    """Return the hash of every target, half ones and leftovers with them."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def run(folder: Path) -> tuple[int, str]:
    with contextlib.redirect_stderr(io.StringIO()) as said:
        code = visagist(["run", str(folder / "reel.toml"), "--on", "here"])
    return code, said.getvalue()


def main(arguments: Sequence[str]) -> int:
    folder = Path(arguments[0])
    work, out = folder / "work", folder / "out"
    for size in arguments[1:]:
        shutil.rmtree(out, ignore_errors=True)
        work.mkdir(exist_ok=True)
        mounted(work, int(size))
        first, said = run(folder)
        before = targets(out)
        mounted(work, 1 << 16, again=True)
        second, _ = run(folder)
        told = {"codes": [first, second], "before": before, "after": targets(out), "said": said}
        show(json.dumps({"kb": int(size), **told}))
        subprocess.run(["umount", str(work)], check=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
