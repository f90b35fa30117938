"""What a worker holds under a lease."""

from dataclasses import dataclass, field
from typing import Any

from pipeline.feeds.children import Child
from pipeline.model import FeedKind, State


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedClaim:
    """Hold a feed whose poll is due, and its host's turn, under one owner.

    `next_url` is where a redirect of this poll led, `hops` how many there were; or a sitemap of its index:
    then `round` says how far the poll has come, and the validators are those of `child`.
    """

    id: int
    url: str
    host: str
    kind: FeedKind | None  # of its newest document; None: not known yet
    title: str
    site: str | None
    language: str | None
    etag: str | None
    last_modified: str | None
    body_hash: str | None
    validators_from: str | None  # the address that was asked for them, as it was written
    interval_s: float
    min_interval_s: float | None
    max_interval_s: float | None
    rhythm: list[float] | None  # as `Rhythm.packed` wrote it
    hints: dict[str, Any] | None  # as `Asked.packed` wrote it
    forced: bool  # a person wants it now, whatever its publisher asks
    failures: float
    failing_since: float | None
    last_error: str | None
    last_polled_at: float | None
    entries: int
    next_url: str | None
    hops: int
    hop_was_temporary: bool
    round: dict[str, Any] | None  # as `Round.packed` wrote it
    moving_to: str | None
    moving_seen: int
    moving_since: float | None
    crawl_delay_s: float | None  # of the host, by its robots.txt
    claimed_at: float  # by the store's clock
    headers: tuple[tuple[str, str], ...] = field(repr=False)  # its own: secrets
    headers_origin: str | None  # who may have them, as scheme://host:port
    owner: str
    child: Child | None = None

    @property
    def asked_url(self) -> str:
        """Give the address that this turn asks for, as it is written."""
        return self.next_url or self.url


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleClaim:
    """Hold an article under a lease, with what the stages need to know of it."""

    id: str
    url: str
    host: str
    state: State
    attempts: int  # this one included
    waits: int  # for a twin's document
    touched: bool  # a feed showed it since its document was made
    next_url: str | None  # where a redirect to another host led
    hops: int
    refetches: int
    rerun: bool  # by `reprocess`: nothing new is known of it
    partial: str | None
    revision: int
    version: int
    first_seen_at: float
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostTurn:
    """Hold one host for one worker: its rules and the pages it is to be asked for, newest first."""

    host: str
    robots_status: int | None
    robots_body: bytes | None
    robots_age_s: float | None  # None: never asked
    claims: tuple[ArticleClaim, ...]
    owner: str
