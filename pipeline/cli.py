"""The command line: what runs, what is printed, exit codes.

Results go to stdout (the path of what was written, or a table), all else to stderr. Nothing heavy
is imported before the arguments are known to be good, so `--help` answers at once.
"""

from __future__ import annotations

import logging
import os
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from .arguments import parse
from .commands import run
from .console import abandon_stdout, log_as, log_restored, prepare, say, tell
from .errors import LaterError, VisagistError, lack_of, may_pass, reason
from .files import placed
from .signals import Interrupted, polite_kills
from .thread_limit import choose

EXIT_FAILED = 1
EXIT_BUG = 70
EXIT_INTERRUPTED = 130
EXIT_BY_SIGNAL = 128
"""… and the signal's number: 143 after SIGTERM, 129 after SIGHUP, 130 after Ctrl-C (SIGINT)."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Without arguments it takes those of the process, which then ends with this command.

    Raises:
        SystemExit: after `--help` or `--version`.
    """
    placed.clear()
    with log_restored(), _log_shown():
        code = _run(arguments)
        if code in range(1, EXIT_BY_SIGNAL) and (whole := _written()):
            say("note", f"written before that, and whole: {whole}")
    return code


def _run(arguments: Sequence[str] | None) -> int:
    # Threads that wait by spinning starve each other on a busy machine: with 5 jobs on 2 cores an
    # edit took 5.9 s of processor time instead of 3.1 s. Read when torch is first imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    prepare()
    try:
        with polite_kills(is_program=arguments is None):
            options = parse(arguments)
            choose(getattr(options, "threads", None))
            log_as(getattr(options, "log", "text"))
            return run(options)
    except KeyboardInterrupt as e:
        whole = _written()
        say("interrupted", f"written before that, and whole: {whole}" if whole else _NOTHING)
        return EXIT_BY_SIGNAL + e.number if isinstance(e, Interrupted) else EXIT_INTERRUPTED
    except BrokenPipeError:
        # All there is to make is made before it is shown: whoever read that has seen enough.
        abandon_stdout()
        return 0
    except Exception as e:
        return _failed(e)


def _failed(error: Exception) -> int:
    """Say what went wrong and return the exit code; what is nobody's fault but ours is a bug."""
    code, words = _complaint(error)
    if code == EXIT_BUG:
        tell("".join(traceback.format_exception(error)).rstrip())
    say("error", words)
    return code


def _complaint(error: Exception) -> tuple[int, str]:
    """Return the exit code of an error, and what to say of it."""
    if isinstance(error, LaterError):
        return error.exit_code, str(error)
    if lack := lack_of(error):
        first: BaseException = error  # what others were raised from blames no clip
        while first.__cause__ is not None:
            first = first.__cause__
        return EXIT_FAILED, _LACKS[lack].format(f"{type(first).__name__}: {first}")
    if isinstance(error, VisagistError):
        return LaterError.exit_code if may_pass(error) else error.exit_code, str(error)
    if isinstance(error, ImportError):
        return EXIT_FAILED, f"{error}; `visagist doctor` says what is missing and how to get it"
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        code = LaterError.exit_code if may_pass(error) else EXIT_FAILED
        return code, f"{where}{reason(error)}"
    words = f"{type(error).__name__}: {error}"
    return EXIT_BUG, f"a bug in visagist, please report it: {words}"


_LACKS = {
    "memory": "out of memory ({}); try --batch-size 1, or a smaller video, or close other programs",
    "threads": "no more threads can be started ({}); try --threads 1, or close other programs; "
    "`ulimit -u` shows how many are allowed",
}


def _written() -> str:
    """Return the files this command has put in place, in words; empty if there are none."""
    there = list(dict.fromkeys(str(path) for path in placed if path.exists()))
    more = [f"{len(there) - _MOST_NAMED} more"] if len(there) > _MOST_NAMED else []
    return ", ".join([*there[:_MOST_NAMED], *more])


_MOST_NAMED = 5
_NOTHING = "no output was written"


class _Said(logging.Handler):
    """Says what is logged as this program says things."""

    def emit(self, record: logging.LogRecord) -> None:
        say(record.levelname.lower(), record.getMessage())


@contextmanager
def _log_shown() -> Iterator[None]:
    log, handler = logging.getLogger("visagist"), _Said(logging.WARNING)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
