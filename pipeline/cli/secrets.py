"""Headers of feeds' own, from files: a command line can be read by everybody on the machine."""

from collections.abc import Callable
from pathlib import Path
from stat import S_IRWXG, S_IRWXO, S_ISREG

from pipeline.cli.printing import note
from pipeline.errors import UsageError

NONE = "none"
LONGEST_FILE = 64 * 1024
"""Bytes read of a file with headers; what is longer is another file."""

Headers = tuple[tuple[str, str], ...]


def own_headers(headers_from: str | None, login_from: str | None) -> Headers | None:
    """Read the headers that files name; None where no file is given, none at all for `none`.

    Raises UsageError, without a word of what is in a file.
    """
    from pipeline.feeds.headers import read_headers, read_login

    given = [(headers_from, read_headers), (login_from, read_login)]
    named = [(file, read) for file, read in given if file is not None]
    if not named:
        return None
    return tuple(header for file, read in named if file != NONE for header in _from_file(file, read))


def _from_file(file: str, read: Callable[[str], Headers]) -> Headers:
    from pipeline.feeds.headers import HeadersError

    path = Path(file)
    try:
        with path.open(encoding="utf-8") as lines:
            text = lines.read(LONGEST_FILE)
        mode = path.stat().st_mode
        headers = read(text)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{file} is no text in UTF-8") from None
    except HeadersError as error:
        raise UsageError(f"{file}: {error}") from None
    if S_ISREG(mode) and mode & (S_IRWXG | S_IRWXO):
        note(f"{file} can be read by others than its owner: `chmod 600` it")
    return headers
