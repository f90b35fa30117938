"""Run one command: errors become one line and an exit code."""

import errno
import os
import re
import sys
import traceback
from collections.abc import Sequence
from io import StringIO, TextIOWrapper
from pathlib import Path

import typer

from pipeline.cli.printing import note
from pipeline.cli.root import make_app
from pipeline.errors import UsageError, WireroomError

FAILED = 1
USAGE = 2
TIMED_OUT = 3
INTERRUPTED = 130  # 128 and the number of SIGINT, as shells count
UNHEARD = 141  # 128 and the number of SIGPIPE: whoever read the output has left, as `head` does
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

LAST_ERROR = "last-error.txt"


def run(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code: 0 ok, 1 failed, 2 usage, 3 `--timeout` reached."""
    if not _prepare_streams():
        note("stdout is closed: there is no place for results")
        return FAILED
    code = _run(arguments)
    return _flushed(code)


def _prepare_streams() -> bool:
    """Let no letter crash a terminal; False when stdout is closed."""
    sys.stderr = sys.stderr or StringIO()  # None where it is closed
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without UTF-8 gets question marks
    return sys.stdout is not None


def _flushed(code: int) -> int:
    """Write what is left here, where a fault can be told, and not when the interpreter ends."""
    try:
        sys.stdout.flush()
    except OSError as error:
        # Python's advice: else it tries again at its end, and complains.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNHEARD if isinstance(error, BrokenPipeError) else _unwritable(error)
    return code


def _unwritable(error: OSError) -> int:
    note(f"cannot write: {error.strerror}")
    return FAILED


def _run(arguments: Sequence[str]) -> int:
    try:
        command = typer.main.get_command(make_app())
        ended = command.main(args=list(arguments), prog_name="wireroom", standalone_mode=False)
        return ended if isinstance(ended, int) else 0
    except typer.TyperException as error:
        return _misused(error)
    except (typer.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except WireroomError as error:
        note(str(error))
        return USAGE if isinstance(error, UsageError) else FAILED
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):  # typer's way to end
            return UNHEARD
        raise
    except Exception as error:  # whatever it is, a person gets one line
        if isinstance(error, OSError) and error.errno in FULL:
            return _unwritable(error)
        return _unforeseen(error)


REWORDED = {
    "Value error, ": "",
    "Input should be a valid integer, unable to parse string as an integer": "it is no whole number",
    "Input should be a valid number, unable to parse string as a number": "it is no number",
    "Input should be greater than or equal to ": "it must be at least ",
    "Input should be less than or equal to ": "it must be at most ",
    "Input should be greater than ": "it must be more than ",
}
"""What pydantic says where typer lets it through, and what a person is told."""

UNQUOTED = re.compile(r"Got unexpected extra argument|No such option: -\w")
"""What typer says of a query whose words the shell has parted, or that begins with a minus."""

QUOTING = (
    "write the query in one pair of quotes, as 'storm -flood',"
    " and one that begins with a minus as 'NOT flood' or -- -flood"
)


def _misused(error: typer.TyperException) -> int:
    said = error.format_message()
    for theirs, ours in REWORDED.items():
        said = said.replace(theirs, ours)
    if "\n" in said:  # the help of a group that was called without a command
        sys.stderr.write(said + "\n")
        return USAGE
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "wireroom"
    is_query = path == "wireroom search" and UNQUOTED.match(said)
    hint = QUOTING if is_query else f"`{path} --help` tells more"
    note(f"{said[:1].lower()}{said[1:].rstrip('.')}; {hint}")
    return USAGE


def _unforeseen(error: Exception) -> int:
    said = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    kept = _keep_traceback(error)
    hint = f"please report it with {kept}" if kept else "please report it"
    note(f"this should not happen: {said}; {hint}")
    return FAILED


def _keep_traceback(error: Exception) -> Path | None:
    from pipeline.cli.opening import home

    try:
        folder = home()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / LAST_ERROR
        path.write_text("".join(traceback.format_exception(error)), "utf-8", "replace")
        path.chmod(0o600)
    except OSError:
        return None
    return path
