"""The manifest of an export: what was asked, of what, when, and every (id, version) that was found.

So that a count in a paper can be cited, and the same set had again. The digest is SHA-256 over the lines
`ID VERSION`, sorted by their bytes, each ended by one newline.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from pipeline.errors import UsageError
from pipeline.search.render import moment, query_json
from pipeline.search.request import SearchRequest
from pipeline.search.written import WrittenSearch, filters_json

FORM = 1  # grows when a manifest can no longer be read as before

Member = tuple[str, int]  # id, version


@dataclass(frozen=True, slots=True)
class Difference:
    """Say that a document is of another version than in the manifest, or is not there (None)."""

    id: str
    was: int
    now: int | None


def asked_json(written: WrittenSearch, request: SearchRequest) -> dict[str, Any]:
    """Render what a search asks, as written and as read; dates are resolved in what was read."""
    return {
        "query": written.query,
        "filters": filters_json(written),
        "parsed": {
            "query": query_json(request.query),
            "filters": [query_json(each) for each in request.filters],
            "now": moment(request.now),
        },
        "sort": request.sort.value,
    }


def canonical_digest(members: Iterable[Member]) -> str:
    """Compute the SHA-256 of a set of documents, in hex; the order of `members` counts for nothing."""
    lines = sorted(f"{id} {version}\n".encode() for id, version in members)
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line)
    return digest.hexdigest()


def differences(members: Sequence[Member], found: dict[str, int]) -> list[Difference]:
    """List the members that were found in another version, or not at all."""
    return [Difference(id, version, found.get(id)) for id, version in members if found.get(id) != version]


class ManifestWriter:
    """Write a manifest while its hits are read: its file appears, whole, when the block ends without error.

    The members stay in memory for their digest, some 150 bytes each."""

    def __init__(self, path: Path, head: dict[str, Any]) -> None:
        """Begin a manifest. Raises UsageError when its file is there already, or cannot be written."""
        self._path = path
        self._draft = path.with_name(f"{path.name}.{os.getpid()}.part")
        self._members: list[Member] = []
        try:
            if path.exists():
                raise UsageError(f"{path} is there already, and may be what somebody cites: name another")
            self._file: TextIO = self._draft.open("w", encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror}") from None
        opened = json.dumps({"wireroom_manifest": FORM, **head}, indent=2)
        self._file.write(opened.removesuffix("\n}") + ',\n  "documents": [')

    def add(self, id: str, version: int) -> None:
        """Add the next document."""
        self._file.write(("," if self._members else "") + f"\n    {json.dumps([id, version])}")
        self._members.append((id, version))

    @property
    def total(self) -> int:
        """Count the documents so far."""
        return len(self._members)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._file:
            if kind is None:
                digest = canonical_digest(self._members)
                self._file.write(f'\n  ],\n  "total": {self.total},\n  "sha256": "{digest}"\n}}\n')
        if kind is None:
            self._draft.replace(self._path)
        else:
            with suppress(OSError):
                self._draft.unlink()


def read_members(path: Path) -> tuple[Member, ...]:
    """Read the documents of a manifest, in the order of its export. Raises UsageError for a file that is
    none, or one that was changed."""
    try:
        manifest = json.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise UsageError(f"{path} is no manifest: it is not whole, or no JSON") from None
    form = manifest.get("wireroom_manifest") if isinstance(manifest, dict) else None
    if form is None:
        raise UsageError(f"{path} is no manifest of `wireroom search --all --manifest`")
    if form != FORM:
        raise UsageError(f"{path} is a manifest of form {form}, newer than this Wireroom's {FORM}")
    members = _members(manifest.get("documents"))
    digest, total = manifest.get("sha256"), manifest.get("total")
    if members is None or total != len(members) or digest != canonical_digest(members):
        raise UsageError(f"{path} was changed: its documents do not give its total and SHA-256")
    return members


def _members(documents: Any) -> tuple[Member, ...] | None:
    match documents:
        case list() if all(map(_is_member, documents)):
            return tuple((id, version) for id, version in documents)
    return None


def _is_member(pair: Any) -> bool:
    match pair:
        case [str(id), int()]:
            return id.isprintable()  # else it could not be encoded, or told in one line
    return False
