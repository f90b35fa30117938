"""The folder of the embedded index: which generation it holds, by which schema, and its making."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

import tantivy

from pipeline.errors import IndexBusyError, WireroomError
from pipeline.indexing import tantivy_schema as fields

HEAP_BYTES = 32_000_000  # of the one writing thread (tantivy's least is 15 MB); everything shares 1 GiB
STATE_FILE = "generation.json"  # written last, so that a folder that has it is whole
OUR_FILES = re.compile(r"[0-9a-f]{32}\..+|meta\.json|\.managed\.json|generation\.json.*")


@dataclass(frozen=True, slots=True)
class FolderState:
    """Say which generation a folder holds, and by which schema it was built."""

    generation: str
    schema: int


def folder_state(folder: Path) -> FolderState | None:
    """Read what a folder holds; None when it holds no whole index."""
    try:
        written = json.loads((folder / STATE_FILE).read_text())
        state = FolderState(written["generation"], written["schema"])
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return None
    return state if tantivy.Index.exists(str(folder)) else None


def open_for_reading(folder: Path) -> tantivy.Index:
    """Open a folder that holds an index of this schema; raises WireroomError when it does not."""
    state = folder_state(folder)
    if state is None:
        raise WireroomError(f"there is no index in {folder} yet; `wireroom up` makes and fills it")
    if state.schema != fields.SCHEMA:
        raise WireroomError(
            f"the index in {folder} was built by another version; `wireroom up` builds it anew"
        )
    return _opened(folder)


def open_for_writing(folder: Path, *, generation: str) -> tuple[tantivy.Index, tantivy.IndexWriter, bool]:
    """Open a folder for the one process that writes; True says that it was made anew, and is empty.

    It is made anew when it holds no whole index, another generation or another schema. Raises IndexBusyError
    when another process is writing, and WireroomError when the folder cannot be used.
    """
    if folder_state(folder) == FolderState(generation, fields.SCHEMA):
        index = _opened(folder)
        return index, _writer(index, folder), False
    index = _made(folder, generation)
    return index, _writer(index, folder), True


def _made(folder: Path, generation: str) -> tantivy.Index:
    """Empty a folder of index files and make a new index there; other files are left alone."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if tantivy.Index.exists(str(folder)):
            _writer(tantivy.Index.open(str(folder)), folder)  # nobody else may be writing what is thrown away
        for path in folder.iterdir():
            if OUR_FILES.fullmatch(path.name):
                path.unlink()
        index = _opened(folder)
        draft = folder / f"{STATE_FILE}.{os.getpid()}"
        draft.write_text(json.dumps({"generation": generation, "schema": fields.SCHEMA}))
        draft.replace(folder / STATE_FILE)
    except OSError as error:
        raise WireroomError(f"the index cannot be made in {folder}: {error.strerror}") from None
    return index


def _opened(folder: Path) -> tantivy.Index:
    """Open an index and register its analyzers, which tantivy does not store."""
    try:
        index = tantivy.Index(fields.schema(), path=str(folder))
    except ValueError as error:
        line = " ".join(str(error).split())
        raise WireroomError(
            f"the index in {folder} is damaged ({line}); delete the folder, `wireroom up` refills it"
        ) from None
    for name, analyzer in fields.analyzers().items():
        index.register_tokenizer(name, analyzer)
    index.register_fast_field_tokenizer("whole", fields.whole_name())
    index.config_reader("manual")  # no thread that watches the folder: each search reloads
    return index


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
