"""The wheel: one top-level name, everything it needs inside, and a command that starts."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    source = folder / "source"
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip("the wheel is built from a git checkout")
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run([*command, "-w", str(folder), str(source)], check=True, cwd=folder)
    return next(folder.glob("*.whl"))


def test_the_only_top_level_name_is_visagist(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {t for t in tops if not t.endswith(".dist-info")} == {"visagist"}


def test_every_source_and_weight_file_is_inside(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("pipeline", "models"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".py", ".safetensors"} or path.name == "CARD.md":
                assert f"visagist/{path.relative_to(ROOT).as_posix()}" in inside


def test_the_installed_command_edits_nothing_but_starts(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"}
    code = "from visagist.pipeline.cli import main; import sys; sys.exit(main(['attrs', '--json']))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert '"smile"' in done.stdout


def test_an_installed_checkout_has_the_command_and_the_same_api(tmp_path: Path) -> None:
    command = Path(sys.executable).with_name("visagist")
    if not command.is_file():
        pytest.skip("visagist is not installed in this environment (pip install -e .)")
    shown = subprocess.run(
        [command, "--version"], check=False, cwd=tmp_path, capture_output=True, text=True
    )
    assert shown.stdout.startswith("visagist ")
    code = "import visagist.pipeline as p; print(p.edit.__module__)"
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout.strip() == "visagist.pipeline.run"
