"""The folders of the embedded index: one for each generation, and a pointer to the one that is searched."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import tantivy

from pipeline.errors import IndexBusyError, WireroomError
from pipeline.indexing import tantivy_schema as fields

HEAP_BYTES = 32_000_000  # of the one writing thread (tantivy's least is 15 MB); everything shares 1 GiB
STATE_FILE = "generation.json"  # by which schema a folder was made; without it, it is no index of ours
POINTER = "exposed"  # names the generation that is searched
DRAFT, DOOMED = ".draft", ".doomed"  # folders that are not there yet, or not any more
LOCK_FILE = ".making"
UNLOCKED = "Failed to acquire Lockfile"  # what tantivy says where it cannot write its lock


def is_whole(folder: Path) -> bool:
    """Tell whether a folder holds an index of the present schema."""
    return made_with(folder) == fields.SCHEMA and tantivy.Index.exists(str(folder))


def made_with(folder: Path) -> int | None:
    """Read by which schema a folder's index was made; None when there is none."""
    try:
        schema = json.loads((folder / STATE_FILE).read_text())["schema"]
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return None
    return schema if isinstance(schema, int) else None


def pointed(root: Path) -> str | None:
    """Read which generation is searched."""
    try:
        return (root / POINTER).read_text() or None
    except (FileNotFoundError, NotADirectoryError):
        return None


def point(root: Path, name: str) -> None:
    """Let another generation be searched, in one step."""
    with _making(root):
        draft = root / f"{POINTER}.{os.getpid()}"
        draft.write_text(name)
        draft.replace(root / POINTER)


def generation_names(root: Path) -> Sequence[str]:
    """List the generations that have a folder."""
    if not root.is_dir():
        return ()
    return sorted(path.parent.name for path in root.glob(f"[!.]*/{STATE_FILE}"))


def open_for_reading(root: Path, name: str | None) -> tantivy.Index:
    """Open a generation, or the one that is searched; raises WireroomError when it is not there."""
    name = name or pointed(root)
    folder = root / name if name else None
    if folder is None or made_with(folder) is None or not tantivy.Index.exists(str(folder)):
        raise WireroomError(f"there is no index in {root} yet; `wireroom up` makes and fills it")
    if made_with(folder) != fields.SCHEMA:
        raise WireroomError(f"the index in {root} was built by another version; `wireroom up` builds it anew")
    return _opened(folder)


def open_for_writing(root: Path, name: str) -> tuple[tantivy.Index, tantivy.IndexWriter]:
    """Open a generation's folder for the one process that writes it; it is made anew, empty, unless it holds
    a whole index of the present schema.

    Raises IndexBusyError when another process is writing it, and WireroomError when it cannot be used.
    """
    folder = root / name
    if not is_whole(folder):
        try:
            with _making(root):
                if not is_whole(folder):
                    _make(root, folder)
        except OSError as error:
            raise WireroomError(f"the index cannot be made in {root}: {error.strerror}") from None
    index = _opened(folder)
    return index, _writer(index, folder)


def delete_folder(root: Path, name: str) -> None:
    """Delete a generation. Raises IndexBusyError when a process writes it, WireroomError when it is
    searched."""
    if not (root / name).is_dir():
        return
    with _making(root):
        if pointed(root) == name:
            raise WireroomError(f"generation {name} is searched and cannot be deleted")
        _doom(root, root / name)


def _make(root: Path, folder: Path) -> None:
    """Make an empty index aside and put it in its place in one step: a folder is whole or not there."""
    draft = root / DRAFT
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    tantivy.Index(fields.schema(), path=str(draft))
    (draft / STATE_FILE).write_text(json.dumps({"schema": fields.SCHEMA}))
    if folder.exists():
        _doom(root, folder)
    draft.rename(folder)


def _doom(root: Path, folder: Path) -> None:
    if made_with(folder) is not None and tantivy.Index.exists(str(folder)):
        _writer(tantivy.Index.open(str(folder)), folder)  # nobody else may be writing it
    doomed = root / DOOMED
    shutil.rmtree(doomed, ignore_errors=True)
    folder.rename(doomed)
    shutil.rmtree(doomed)


@contextmanager
def _making(root: Path) -> Iterator[None]:
    """Hold the lock under which folders come and go; it ends with the process."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (root / LOCK_FILE).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _opened(folder: Path) -> tantivy.Index:
    """Open an index and register its analyzers, which tantivy does not store."""
    try:
        index = tantivy.Index(fields.schema(), path=str(folder))
    except ValueError as error:
        raise WireroomError(f"the index in {folder} {_why_not(' '.join(str(error).split()))}") from None
    for name, analyzer in fields.analyzers().items():
        index.register_tokenizer(name, analyzer)
    index.register_fast_field_tokenizer("whole", fields.whole_name())
    index.config_reader("manual")  # no thread that watches the folder: each search reloads
    return index


def _why_not(said: str) -> str:
    """Say why an index cannot be opened, and what to do: the lock beside it is written for searches, too."""
    if UNLOCKED in said:
        return f"cannot be used ({said}); look whether its disk is full or read-only, and at its rights"
    return f"is damaged ({said}); delete the folder, `wireroom up` refills it"


def _writer(index: tantivy.Index, folder: Path) -> tantivy.IndexWriter:
    try:
        return index.writer(heap_size=HEAP_BYTES, num_threads=1)
    except ValueError as error:
        if "LockBusy" in str(error):
            raise IndexBusyError(
                f"another process is writing the index in {folder}; try again later"
            ) from None
        raise WireroomError(
            f"the index in {folder} cannot be written: {' '.join(str(error).split())}"
        ) from None
