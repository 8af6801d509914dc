"""A package of somebody else with editors: one of pixels, one of codes, and two that are broken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

FILES = {
    "pyproject.toml": """
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"
[project]
name = "facefx"
version = "1.2"
[project.entry-points."visagist.editors"]
glow = "facefx.glow"
push = "facefx.push"
broken = "facefx.broken"
empty = "facefx"
[project.entry-points."visagist.movers"]
shove = "facefx.shove"
[tool.setuptools]
packages = ["facefx"]
""",
    "facefx/__init__.py": "",
    "facefx/broken.py": "import a_library_that_nobody_has\n",
    "facefx/glow.py": """
from visagist.pipeline.editors import Attribute, Editor, EditorSpec
from visagist.pipeline.imaging.masks import face_mask
from visagist.pipeline.types import EditedBatch

SPEC = EditorSpec(
    name="glow", summary="a brighter face", attributes=(Attribute("glow", "the face is brighter"),)
)


class Glow(Editor):
    spec = SPEC

    def apply(self, batch, edit, amount, prepared):
        mask = face_mask(batch.landmarks, batch.images.shape[-1])
        brighter = batch.images + 0.2 * amount[:, None, None, None] * mask
        return EditedBatch(batch, brighter.clamp(-1, 1), mask)


build = Glow
""",
    "facefx/push.py": """
from dataclasses import replace

from visagist.pipeline.editors import FACE_MODEL, Attribute, Editor, EditorSpec

SPEC = EditorSpec(
    name="push",
    summary="moves codes",
    attributes=(Attribute("push", "along the first direction of the codes"),),
    needs=frozenset({FACE_MODEL}),
)


class Push(Editor):
    spec = SPEC

    def apply(self, batch, edit, amount, prepared):
        model = self.kit.face_model.model
        before = model.encode(batch)
        moved = before.w.clone()
        moved[..., :4] += amount[:, None, None]
        return model.render(batch, before, replace(before, w=moved))


build = Push
""",
    "facefx/shove.py": """
from torch import nn

from visagist.models.movers import MoverSpec

SPEC = MoverSpec("shove", "all numbers of a code grow alike")


class Shove(nn.Module):
    def forward(self, w, strength):
        return w + strength[:, None, None]


def build(material):
    return Shove()
""",
}


def install(folder: Path) -> Path:
    """Install the package below a folder; return the folder that is put on the path."""
    source, target = folder / "source", folder / "site"
    for name, text in FILES.items():
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run(
        [*command, "--target", str(target), str(source)], check=True, capture_output=True
    )
    return target


def unpack(folder: Path) -> Path:
    """Lay the package into a new folder as an installation leaves it; return that folder."""
    folder.mkdir()
    for name, text in FILES.items():
        if name.endswith(".py"):
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    facts = folder / "facefx-1.2.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: facefx\nVersion: 1.2\n")
    points = FILES["pyproject.toml"].split("[project.entry-points.")[1:]
    text = "".join("[" + point.split("[tool")[0] for point in points)
    (facts / "entry_points.txt").write_text(text.replace('"', ""))
    return folder


def run(code: str, folder: Path, *places: Path) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder, with packages in some places."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, places)),
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )


def check_edit(
    program: str, clip: Path, folder: Path, *places: Path, before: str = ""
) -> subprocess.CompletedProcess[str]:
    """Edit four frames of a clip with both editors of the package; check the file and report, and
    return what was said. `before` is run first."""
    out, analysis = folder / "out.mp4", clip.with_name("face.faces.json")
    typed = [
        *("edit", str(clip), "-o", str(out), "--analysis", str(analysis), "--frames", "0-3"),
        *("--attr", "glow=1", "--attr", "push=1", "--report", f"{out}.json"),
    ]
    code = f"{before}\nimport sys; from {program}.cli import main; sys.exit(main({typed!r}))"
    done = run(code, folder, *places)
    assert done.returncode == 0, done.stderr
    assert out.is_file()
    report = json.loads(Path(f"{out}.json").read_text(encoding="utf-8"))
    assert report["versions"]["facefx"] == "1.2"
    assert all(face["edited"] for frame in report["frames"] for face in frame["faces"])
    aside = [sentence for sentence in report["warnings"] if "is left aside" in sentence]
    assert len(aside) == 2
    assert "'broken' of facefx 1.2 is left aside: ModuleNotFoundError" in aside[0]
    assert "'empty' of facefx 1.2 is left aside: it needs `SPEC`" in aside[1]
    assert all(sentence in done.stderr for sentence in aside)
    return done
