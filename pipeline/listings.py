"""What `attrs`, `models` and `doctor` show: plain rows of text, no printing."""

from __future__ import annotations

import importlib
import importlib.metadata
import platform
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from .config import RenderOptions
from .errors import VisagistError

if TYPE_CHECKING:
    from .loading import ImportReport

Row = dict[str, str]

_LIBRARIES = (
    ("av", "av", "video in and out"),
    ("cv2", "opencv-python", "resampling"),
    ("dlib", "dlib-bin", "finding faces"),
    ("face_alignment", "face-alignment", "--landmarks face-alignment"),
    ("msgspec", "msgspec", "pack and card files"),
    ("numpy", "numpy", "arrays"),
    ("platformdirs", "platformdirs", "where imported weights are kept"),
    ("safetensors", "safetensors", "weights"),
    ("scipy", "scipy", "solvers"),
    ("tomli_w", "tomli-w", "pack and card files"),
    ("torch", "torch", "networks"),
    ("tqdm", "tqdm", "progress bar"),
)


def attributes(pack_name: str) -> list[Row]:
    """Return one row per attribute of a pack and the image editors.

    Raises:
        UsageError: there is no such pack.
        WeightsError: its weights cannot be used.
    """
    import torch

    from .edits import Catalogue, accepted_range
    from .loading import load_pack

    pack = load_pack(pack_name, torch.device("cpu"))
    return [
        {
            "attribute": a.name,
            "aliases": ", ".join(a.aliases) or "–",
            "useful": _range(a.low, a.high),
            "accepted": _range(*accepted_range(a)),
            "state": "experimental" if a.experimental else "stable",
            "needs": ", ".join(sorted(a.needs)) or "–",
            "what +1 does": a.summary,
        }
        for a in Catalogue(pack).attributes
    ]


def _range(low: float, high: float) -> str:
    return f"{low:g} … {high:g}"


def models() -> list[Row]:
    """Return one row per weight file and imported pack: use, licence, commercial use, size, hash.

    Raises:
        WeightsError: a file is missing, damaged, or not the one expected.
    """
    from .loading import embedded_weights, stored_weights

    return [*embedded_weights(), *stored_weights()]


def kept(cache: Path | None) -> list[Row]:
    """Return one row per thing in the cache of prepared faces, the last used first."""
    from .artefacts import Store

    store = Store(cache)
    rows = [
        {
            "key": file.path.name[:12],
            "what": str(file.facts.get("what", "–")),
            "state": "stopped" if file.is_part else "whole",
            "size": f"{file.bytes / 1e6:.2f} MB",
            "last used": f"{datetime.fromtimestamp(file.used).astimezone():%Y-%m-%d %H:%M}",
        }
        for file in store.kept()
    ]
    nothing = dict.fromkeys(("key", "what", "state", "size", "last used"), "–")
    return rows or [{**nothing, "what": f"nothing is kept in {store.folder}"}]


def verified_models() -> list[Row]:
    """Return one row per weight file and pack, embedded ones first: name, state, note.

    Raises:
        WeightsError: an embedded file is missing, damaged, or not the one expected.
    """
    from .loading import embedded_weights, verify_stored

    embedded = [{"name": r["name"], "state": "ok", "note": r["use"]} for r in embedded_weights()]
    return [*embedded, *verify_stored()]


def imported_text(report: ImportReport) -> str:
    """Return what an import did, in lines for people."""
    lines: list[str] = []
    for row in report.rows:
        lines += [f"{row['file']}: {row['what']}"]
        lines += [f"  {row['state']}: {row['name']}, {row['size']}"]
        lines += [f"  licence: {row['licence']}; commercial use: {row['commercial use']}"]
        if row["left aside"]:
            lines += [f"  left aside: {row['left aside']}"]
        lines += [f"  note: {row['note']}"] if row["note"] else []
    lines += [f"store: {report.store}", *_next_step(report)]
    return "\n".join(lines)


def _next_step(report: ImportReport) -> list[str]:
    if not report.pack and not report.loose:
        if all(row["what"].endswith("(no command uses it yet)") for row in report.rows):
            return []
        return ["for training and evaluation; packs do without it"]
    if not report.pack:
        names = " ".join(report.loose)
        return ["in no pack yet", f"next: visagist models import {names} --as NAME"]
    lines = [f"pack {report.pack}: {report.contents}"]
    if report.lacks:
        needs = " and ".join(report.lacks)
        return [
            *lines,
            f"it lacks {needs}",
            f"next: visagist models import FILE --as {report.pack}",
        ]
    attribute = report.attributes[0]
    other = "" if report.editor == RenderOptions().editor else f" --editor {report.editor}"
    return [*lines, f"next: visagist edit VIDEO --pack {report.pack} --attr {attribute}{other}"]


def doctor() -> list[Row]:
    """Return one row per thing the program needs: `ok`, `missing` (with the cure) or `absent`.

    Nothing is imported before it was tried, so this works when all else does not.
    """
    return [*_python(), *_libraries(), *_devices(), *_encoders(), *_weights(), *_plugins()]


def table(rows: list[Row]) -> str:
    """Return rows as text in columns, headed by their keys."""
    cells = [[key.upper() for key in rows[0]], *([*row.values()] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]) - 1)]
    return "\n".join(
        "  ".join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in cells
    )


def _python() -> Iterator[Row]:
    ok = sys.version_info >= (3, 11)
    yield _row(
        "Python", ok, platform.python_version(), "" if ok else "visagist needs Python 3.11 or newer"
    )


def _libraries() -> Iterator[Row]:
    for module, distribution, use in _LIBRARIES:
        try:
            importlib.import_module(module)
            version = importlib.metadata.version(distribution)
        except (ImportError, OSError) as e:
            cure = f"pip install {distribution} ({type(e).__name__}: {e})"
            yield _row(distribution, False, "–", f"{use}; {cure}")
        else:
            yield _row(distribution, True, version, use)


def _devices() -> Iterator[Row]:
    try:
        import torch
    except (ImportError, OSError):
        return  # its own row says so
    yield _row("device cpu", True, f"{torch.get_num_threads()} threads", "")
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            yield _row(f"device cuda:{index}", True, torch.cuda.get_device_name(index), "")
        return
    why = (
        f"torch {torch.__version__} is built for CUDA {torch.version.cuda}, but no GPU answers"
        if torch.version.cuda
        else "this torch is built without CUDA; pytorch.org says how to install one with it"
    )
    yield {"thing": "device cuda", "state": "absent", "found": "–", "note": f"optional; {why}"}


_ENCODERS = (
    ("libx264", "H.264"),
    ("libx265", "H.265"),
    ("libsvtav1", "AV1"),
    ("libvpx-vp9", "VP9"),
    ("prores_ks", "ProRes"),
    ("ffv1", "lossless"),
)


def _encoders() -> Iterator[Row]:
    try:
        from .media.opening import is_encoder
    except (ImportError, OSError):
        return  # the rows of the libraries say why
    for name, use in _ENCODERS:
        if is_encoder(name):
            yield _row(f"encoder {name}", True, "–", use)
        else:
            note = f"{use}; the FFmpeg inside `av` lacks it: pip install --force-reinstall av"
            yield {"thing": f"encoder {name}", "state": "absent", "found": "–", "note": note}


def _weights() -> Iterator[Row]:
    try:
        from .loading import embedded_weights, store_folder, stored_packs, unread_names

        for weight in embedded_weights():
            yield _row(f"weights {weight['name']}", True, weight["size"], weight["licence"])
        packs = ", ".join(stored_packs()) or "none"
        yield _row("imported packs", True, packs, f"in {store_folder()}")
        for name in unread_names():
            yield _row(f"imported {name}", False, "damaged", "see `visagist models verify`")
    except VisagistError as e:
        yield _row("weights", False, "–", str(e))
    except (ImportError, OSError) as e:
        yield _row("weights", False, "–", f"cannot be checked before torch works ({e})")


def _plugins() -> Iterator[Row]:
    try:
        from .editors import found
        from .loading import found_movers

        for plugin in (*found()[1], *found_movers()):
            note = plugin.complaint if plugin.why else f"{plugin.what} of another package"
            row = _row(f"{plugin.what} {plugin.name}", True, plugin.package, note)
            yield {**row, "state": "absent"} if plugin.why else row
    except (ImportError, OSError):
        return  # the rows of the libraries say why


def _row(thing: str, ok: bool, found: str, note: str) -> Row:
    return {"thing": thing, "state": "ok" if ok else "missing", "found": found, "note": note}
