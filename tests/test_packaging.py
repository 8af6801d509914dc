"""The wheel: one top-level name, everything it needs inside, and a command that starts."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import plugin
from tests.conftest import FaceClip

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


def _run_installed(wheel: Path, folder: Path, code: str) -> str:
    """What code prints where nothing but the wheel is installed."""
    zipfile.ZipFile(wheel).extractall(folder)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


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
    code = "from visagist.pipeline.cli import main; import sys; sys.exit(main(['attrs', '--json']))"
    assert '"smile"' in _run_installed(wheel, tmp_path, code)


def test_commands_of_an_installed_wheel_are_called_as_they_are_there(
    wheel: Path, tmp_path: Path
) -> None:
    code = (
        "from visagist.models.base import command; from visagist.models import evaluation\n"
        "print(command('portrait'))\n"
        "try:\n    evaluation.main(['--help'])\nexcept SystemExit:\n    pass"
    )
    first, second = _run_installed(wheel, tmp_path, code).splitlines()[:2]
    assert first == "python -m visagist.models.portrait"
    assert second.startswith("usage: python -m visagist.models.evaluation ")


def test_a_package_with_editors_runs_beside_the_wheel(
    wheel: Path, face_clip: FaceClip, tmp_path: Path
) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "here")
    site = plugin.install(tmp_path)
    plugin.check_edit("visagist.pipeline", face_clip.path, tmp_path, tmp_path / "here", site)


def _sources() -> Iterator[tuple[Path, ast.Module]]:
    for folder in ("pipeline", "models"):
        for path in (ROOT / folder).rglob("*.py"):
            yield path, ast.parse(path.read_text(encoding="utf-8"))


def _texts(tree: ast.Module) -> Iterator[str]:
    """The strings of a file that are no docstrings."""
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield node.value


def test_no_message_calls_a_folder_of_the_checkout() -> None:
    """After an installation there is no `python -m models`: `models.base.command` spells it."""
    for path, tree in _sources():
        for text in _texts(tree):
            assert "-m models" not in text, path
            assert "-m pipeline" not in text, path
        if "description=__doc__" in path.read_text(encoding="utf-8"):  # it is what --help says
            assert "-m models" not in (ast.get_docstring(tree) or ""), path


def test_every_command_a_message_names_can_be_run() -> None:
    named = {
        node.args[0].value
        for _, tree in _sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "command"
        and isinstance(node.args[0], ast.Constant)
    }
    assert "latent_transformer" in named
    for name in map(str, named):
        module = ROOT / "models" / name.replace(".", "/")
        assert (module / "__main__.py").is_file() or module.with_suffix(".py").is_file(), name


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
