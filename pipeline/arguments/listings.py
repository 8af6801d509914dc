"""What can be typed after `models` and `cache`."""

from __future__ import annotations

import argparse

from ..side_files import expanded_path


def add_models_actions(command: argparse.ArgumentParser) -> None:
    """Add `import`, `list`, `verify` and `remove`; without one, `models` lists."""
    actions = command.add_subparsers(metavar="ACTION", dest="action")
    bring = actions.add_parser(
        "import",
        help="bring weight files of others",
        description="Recognise weight files by their content, check them, and store their tensors. "
        "Nothing in a file is executed and nothing is downloaded.",
    )
    add = bring.add_argument
    add(
        "files",
        nargs="+",
        metavar="FILE",
        help="pSp, e4e and ReStyle checkpoints, StyleGAN2 generators, tnet_K.pth.tar, directions, "
        "...; or the name of weights in the store",
    )
    add(
        "--as",
        dest="pack",
        default="",
        metavar="PACK",
        help="put them into this pack (default: the pack of their generator, or the only one)",
    )
    add(
        "--attribute",
        default="",
        metavar="NAME",
        help="what a latent transformer or direction moves (default: as its file name says)",
    )
    add(
        "--kind",
        default="",
        metavar="NAME",
        help="which encoder, if the file does not say: psp | e4e | restyle-psp | restyle-e4e | w",
    )
    add(
        "--network",
        default="",
        metavar="NAME",
        help="which of the networks in a checkpoint of a training, as the message lists them",
    )
    add(
        "--licence",
        default="",
        metavar="TEXT",
        help="of these weights (default: that of the published ones, or unknown)",
    )
    add("--commercial", action="store_true", help="that licence allows commercial use")
    listing = actions.add_parser("list", help="list the weights (the default)")
    verify = actions.add_parser("verify", help="read every file and compare it with its SHA-256")
    remove = actions.add_parser("remove", help="remove imported packs or weights")
    remove.add_argument("names", nargs="+", metavar="NAME", help="as `visagist models` lists them")
    for action in (bring, listing, verify):
        _add_json(action)


def _add_json(action: argparse.ArgumentParser) -> None:
    """Add what the command takes too, and tells its action if it stands before that."""
    action.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON")


def add_cache_actions(command: argparse.ArgumentParser) -> None:
    """Add `list` and `clean`; without one, `cache` lists."""
    command.add_argument("--cache", type=expanded_path, metavar="FOLDER", help="this one")
    actions = command.add_subparsers(metavar="ACTION", dest="action")
    listing = actions.add_parser("list", help="list what is kept (the default)")
    clean = actions.add_parser("clean", help="remove what was not used for some days")
    clean.add_argument(
        "--older-than", type=float, default=30.0, metavar="DAYS", help="default 30; 0 removes all"
    )
    for action in (listing, clean):
        action.add_argument(
            "--cache", type=expanded_path, default=argparse.SUPPRESS, metavar="FOLDER"
        )
    _add_json(listing)
