"""What a worker holds under a lease."""

from dataclasses import dataclass

from pipeline.model import State


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedClaim:
    """Hold a feed whose poll is due, and its host's turn, under one owner."""

    id: int
    url: str
    host: str
    title: str
    site: str | None
    language: str | None
    etag: str | None
    last_modified: str | None
    body_hash: str | None
    interval_s: float
    min_interval_s: float | None
    failures: float
    owner: str


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
