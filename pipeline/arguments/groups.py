"""The options that several commands share, in groups."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from ..config import AnalyzeOptions, EncodeOptions, RenderOptions
from ..request import Exemplar, MatteFile
from ..side_files import expanded, expanded_path

Commands = Any  # argparse gives its sub-parser collection no public type

_ANALYZE, _RENDER, _ENCODE = AnalyzeOptions(), RenderOptions(), EncodeOptions()
"""Where the defaults that the help tells come from."""


def add_edit_options(command: argparse.ArgumentParser) -> None:
    """Add what `edit`, `inspect` and `preview` share: which edit, on which faces, and how."""
    add = command.add_argument_group("edit").add_argument
    _add_strengths(add)
    add("--config", type=expanded_path, metavar="TOML", help="preset file; flags win over it")
    add(
        "--faces",
        metavar="WHICH",
        help="all | largest | N | left-right[:N] | right-left[:N] | top-bottom[:N] | "
        "bottom-top[:N] | large-small[:N] | small-large[:N] | reference:FRAME:N | "
        "reference:PICTURE (default all; N counts from 0)",
    )
    add(
        "--editor",
        metavar="NAME",
        help="kind of mover of codes: latent-transformer (default) | direction | pca | …",
    )
    add(
        "--set",
        action="append",
        dest="settings",
        metavar="EDITOR.NAME=VALUE",
        help="option of an editor; may be given several times",
    )
    _add_exemplar(add)
    add("--blend", metavar="HOW", help="poisson (default) | alpha | none")
    add(
        "--smoothing",
        type=float,
        dest="smoothing_s",
        metavar="SECONDS",
        help=f"of the landmarks over time (default {_RENDER.smoothing_s:g}); 0 switches it off",
    )
    add(
        "--no-occlusion",
        action="store_false",
        dest="occlusion",
        default=None,
        help="edit over hands and hair too",
    )
    _add_mattes(add)
    add_analyze_options(command).add_argument(
        "--analysis",
        type=expanded_path,
        metavar="FILE",
        help="reuse the analysis of this clip, or store it there if there is none",
    )


def _add_exemplar(add: Callable[..., object]) -> None:
    """Add the face that an edit takes something from, and what it takes."""
    add(
        "--exemplar",
        type=Exemplar.parse,
        metavar="FILE[@FRAME[:N]]",
        help="picture, or frame of a clip, with the face that an edit takes something from",
    )
    add(
        "--region",
        action="append",
        dest="settings",
        type="exemplar.region={}".format,
        metavar="REGION",
        help="what --attr exemplar takes: mouth (default) | eyes | brows | nose | lower | face",
    )
    add(
        "--keep-out",
        action="append",
        dest="settings",
        type="exemplar.keep_out={}".format,
        metavar="NAME,…",
        help="what --attr exemplar does not take: beard, attributes of the pack; as in beard,age",
    )


def _add_strengths(add: Callable[..., object]) -> None:
    """Add which attributes, and how strong they are when."""
    add(
        "--attr",
        action="append",
        metavar="[KIND:]NAME[=STRENGTH|->LEVEL][@rows=A-B]",
        help="attribute and strength in standard deviations, both signs, or keys over time as in "
        "'smile=0:0 24:0.8@in-out 90:0'; of codes also by which kind of mover and on which rows, "
        "as in pca:3=2@rows=2-5, or towards what the classifier is to say, 'smile->0.8'; may be "
        "given several times and is applied in order, turns of the head last (see `visagist "
        "attrs`)",
    )
    add("--strength", type=float, metavar="S", help="of every --attr that names none (default 1)")
    add(
        "--first-frame",
        type=int,
        metavar="N",
        help="number of the clip's first frame, as keys and pictures of mattes count (default 0)",
    )


def _add_mattes(add: Callable[..., object]) -> None:
    """Add where the plate is kept, and where alone it is edited."""
    what = "clip, picture or sequence (name.####.png), with channel R, G, B, A or Y if need be"
    for name, text in (
        ("--holdout", f"matte that is white where the clip is kept: a {what}"),
        ("--only", "matte that is white where alone the clip is edited; as --holdout"),
    ):
        add(name, action="append", type=MatteFile.parse, metavar="FILE[:CHANNEL]", help=text)


def _add_pack_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("model")
    group.add_argument(
        "--pack",
        metavar="NAME",
        help=f"{_RENDER.pack} (default) or another one (see `visagist models`)",
    )
    group.add_argument(
        "--transfer",
        metavar="HOW",
        help="replace (paste the generated face) | delta (carry only its change onto the clip's "
        "own pixels); default: what the pack is made for",
    )
    group.add_argument(
        "--precision",
        metavar="HOW",
        help="auto (default: bf16 where the processor multiplies in it) | fp32 | bf16",
    )


def add_analyze_options(command: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add how faces are found and followed, and what runs it; return the group."""
    _add_pack_options(command)
    group = command.add_argument_group("analysis")
    add = group.add_argument
    add(
        "--landmarks",
        type=expanded,
        metavar="HOW",
        help="embedded (default) | face-alignment | FILE with landmarks",
    )
    add(
        "--detect-every",
        type=float,
        dest="detect_every_s",
        metavar="SECONDS",
        help="how often faces are looked for anew "
        f"(default {_ANALYZE.detect_every_s:g}); between, they are followed",
    )
    add(
        "--max-gap",
        type=float,
        dest="max_gap_s",
        metavar="SECONDS",
        help=f"gaps in a track up to this long are filled (default {_ANALYZE.max_gap_s:g})",
    )
    add(
        "--cache",
        type=expanded_path,
        metavar="FOLDER",
        help="where what is prepared for a face is kept (default: $VISAGIST_CACHE, or where this "
        "system keeps caches)",
    )
    add("--on-damage", metavar="HOW", help="of the video: warn (default) | fail")
    add("--video-stream", type=int, metavar="N", help="of the file, from 0, no covers")
    add("--device", default="cpu", metavar="NAME", help="cpu (default) | cuda | cuda:N")
    add(
        "--batch-size",
        type=int,
        metavar="N",
        help="crops per call of the model (default: 1 on a CPU, 8 on a GPU); halved when memory "
        "runs out",
    )
    add(
        "--threads",
        type=int,
        metavar="N",
        help="threads that work at the same time, all in all, beside the ones that read, write and "
        "wait (default: by the cores there are); results do not depend on it",
    )
    return group


def add_encode_options(command: argparse.ArgumentParser) -> None:
    """Add how the result is encoded."""
    add = command.add_argument_group(
        "encoder (FFmpeg's names and units; default: like the input)"
    ).add_argument
    add("--codec", metavar="NAME", help="e.g. libx264, libx265, ffv1 (lossless)")
    add("--crf", type=float, metavar="Q", help="constant rate factor")
    add("--preset", metavar="NAME", help="of the encoder, e.g. slow")
    add("--pix-fmt", metavar="FORMAT", help="e.g. yuv420p, yuv422p10le")
    add(
        "--encoder-threads",
        type=int,
        metavar="N",
        help=f"of the encoder (default {_ENCODE.encoder_threads}); x264 makes another file of "
        "another number, so it does not go by the machine",
    )
    add("--verify", metavar="HOW", help="quick | full (decode the result again)")


def add_output_options(command: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add what is replaced and said; return the group."""
    group = command.add_argument_group("output")
    group.add_argument("--overwrite", action="store_true", help="replace what exists already")
    add_sayings(group)
    return group


def add_sayings(group: argparse._ArgumentGroup) -> None:
    """Add what is said while a command works, and in which form."""
    group.add_argument("--quiet", action="store_true", help="only errors and warnings")
    group.add_argument(
        "--progress",
        choices=("auto", "farm", "openjd"),
        default="auto",
        help="auto (default: a bar on a terminal, else lines) | farm (`Progress: 42%%`) | openjd "
        "(messages of Open Job Description); the last two on stdout",
    )
    group.add_argument(
        "--log",
        choices=("text", "json"),
        default="text",
        help="text (default) | json (one object a line) on stderr",
    )
