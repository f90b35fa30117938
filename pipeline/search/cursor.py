"""Where the next page begins, as one opaque word.

A cursor holds the back-end's position, the moment of the first page (so that `7d` means the same on every
page) and a digest of the search it belongs to. It is no secret: the digests guard against mistakes only.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass

import orjson

from pipeline.errors import QueryError

DIGEST_BYTES = 6  # enough to find a cut or mistyped cursor
REFUSED = "this cursor is damaged or not one of ours; search again without it"

Position = tuple[int | float | str, ...]  # what a back-end needs to go on; opaque to all others


@dataclass(frozen=True, slots=True)
class Cursor:
    """Hold where a search goes on."""

    search: str  # digest of the query, filters, sort and clock
    now: float  # seconds since the epoch, when the first page was asked for
    position: Position


def encode(cursor: Cursor) -> str:
    """Write a cursor in characters that need no escaping in a URL or a shell."""
    packed = orjson.dumps([cursor.search, cursor.now, cursor.position])
    return base64.urlsafe_b64encode(packed + _digest(packed)).decode().rstrip("=")


def decode(text: str) -> Cursor:
    """Read a cursor; raises QueryError when it is not a whole one of ours."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        packed, digest = raw[:-DIGEST_BYTES], raw[-DIGEST_BYTES:]
        if digest != _digest(packed):
            raise QueryError(REFUSED)
        search, now, position = orjson.loads(packed)
    except (ValueError, binascii.Error):
        raise QueryError(REFUSED) from None
    return Cursor(search, now, tuple(position))


def _digest(packed: bytes) -> bytes:
    return hashlib.blake2b(packed, digest_size=DIGEST_BYTES, person=b"wireroom cursor").digest()
