"""The proof that a generation holds what the store says: every id, version and content, compared."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

SHOWN = 100
"""Differences that are named in a proof; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Hold what a generation says of a document: its version and, if known, its content's SHA-256."""

    version: int
    sha256: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """Name what a generation holds otherwise than the store; all empty: it is equal."""

    missing: tuple[str, ...]
    extra: tuple[str, ...]
    versions: tuple[tuple[str, int, int], ...]  # id, held, due
    contents: tuple[str, ...]

    @property
    def count(self) -> int:
        """Count them all."""
        return len(self.missing) + len(self.extra) + len(self.versions) + len(self.contents)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Hold what was compared, what came out, and how long index had to wait for it."""

    generation: str
    at: float
    documents: int
    sha256: str  # over all ids, versions and contents
    differences: Differences
    fields: Mapping[str, tuple[str, ...]]  # in which fields a content differs, by id
    rejected: Mapping[str, str]  # why the index would not have a document, by id
    hashed_in_pause: int
    put_in_pause: int
    pause_s: float
    written: int
    took_s: float
    report: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Tell whether nothing differs."""
        return self.differences.count == 0


def compare(
    due: Mapping[str, int], kept: Mapping[str, Kept], *, doubled: Collection[str], wrong: Collection[str]
) -> Differences:
    """Compare what an index should hold (id → version) with what it holds; `doubled` are the ids that it
    holds more than once, `wrong` those whose content was read back and is not as it should be."""
    both = sorted(due.keys() & kept.keys())
    return Differences(
        missing=tuple(sorted(due.keys() - kept.keys())),
        extra=tuple(sorted((kept.keys() - due.keys()) | set(doubled))),
        versions=tuple((id, kept[id].version, due[id]) for id in both if kept[id].version != due[id]),
        contents=tuple(sorted(wrong)),
    )


def digest_of_all(kept: Mapping[str, Kept]) -> str:
    """Compute one SHA-256 over every id, version and content, in the order of the ids."""
    total = hashlib.sha256()
    for id in sorted(kept):
        total.update(f"{id} {kept[id].version} {kept[id].sha256}\n".encode())
    return total.hexdigest()


def proof_json(proof: Proof) -> dict[str, Any]:
    """Write a proof as JSON holds it."""
    found = proof.differences
    return {
        "generation": proof.generation,
        "ok": proof.ok,
        "at": proof.at,
        "documents": proof.documents,
        "sha256": proof.sha256,
        "missing": _named(found.missing),
        "extra": _named(found.extra),
        "version_differs": _named([{"id": id, "held": held, "due": due} for id, held, due in found.versions]),
        "content_differs": _named(
            [{"id": id, "fields": list(proof.fields.get(id, ()))} for id in found.contents]
        ),
        "rejected": _named([{"id": id, "detail": detail} for id, detail in proof.rejected.items()]),
        "hashed_in_pause": proof.hashed_in_pause,
        "put_in_pause": proof.put_in_pause,
        "pause_s": round(proof.pause_s, 3),
        "written": proof.written,
        "took_s": round(proof.took_s, 1),
        "report": dict(proof.report),
    }


def _named(found: Collection[Any]) -> dict[str, Any]:
    return {"count": len(found), "named": list(found)[:SHOWN]}
