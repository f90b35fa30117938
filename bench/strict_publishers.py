"""Publishers who score those who ask them, on loopback and on a clock of their own.

What is scored is what rachelbythebay.com's feed reader project looks at: unconditional requests, validators
that were never given or not given last, needless headers and parameters, requests inside the time that was
asked for, after a 410, to an address that moved for good, over a second connection.
"""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import partial

from bench.strict_manners import DAY, HOUR, MANNERS, MINUTE, Feed, document, index

WISH_CEILING = 7 * DAY  # longer wishes need not be heard
NEEDLESS = ("cookie", "referer", "pragma", "cache-control")
GONE_AFTER = 12  # requests, after which a feed of that kind is no more
BUSY_EVERY = 9  # requests of that kind of feed that are answered with Retry-After, each so many
MOVED_AFTER, MOVED_AFTER_S = 3, DAY + HOUR
"""Permanent redirects, and the time since the first, after which a reader knows the address they give."""


@dataclass(slots=True)
class Seen:
    """Keep what one address was asked and what it answered."""

    given: list[tuple[str | None, str | None]] = field(default_factory=list)  # validators, in order
    requests: int = 0
    first_at: float = 0.0
    unconditional: int = 0
    not_before: float = 0.0
    is_gone: bool = False
    has_moved: bool = False  # and that was told often enough


@dataclass(frozen=True, slots=True)
class Request:
    """Hold a request's path and its headers, names in lower case."""

    path: str
    headers: Mapping[str, str]


class Publishers:
    """Answer for feeds on several hosts, and count every offence by its name."""

    def __init__(self, feeds: int, hosts: int, clock: Callable[[], float]) -> None:
        self.sockets = [socket.create_server(("127.0.0.1", 0), backlog=64) for _ in range(hosts)]
        self.offences: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()  # by manner
        self.polls = 0
        self.peak = 0
        self._clock = clock
        self._feeds = [
            Feed(number, MANNERS[number % len(MANNERS)], number % hosts, 20 * MINUTE * (1 + number % 40))
            for number in range(feeds)
        ]
        self.seen = {path: Seen() for feed in self._feeds for path in (feed.path, feed.target)}
        self._paused = [0.0] * hosts  # until when a host asked to be left alone

    @property
    def addresses(self) -> list[str]:
        """List the feeds' addresses."""
        return [self._origin(feed.host) + feed.written for feed in self._feeds]

    def unconditional(self) -> list[int]:
        """Count the unconditional requests of each address that gives validators."""
        return [seen.unconditional for seen in self.seen.values() if seen.given]

    async def serve(self) -> None:
        """Answer until cancelled."""
        loop = asyncio.get_running_loop()
        for host, listener in enumerate(self.sockets):
            open_here: set[_Connection] = set()
            await loop.create_server(partial(_Connection, self, host, open_here), sock=listener)
        await asyncio.Event().wait()

    def answer(self, host: int, request: Request) -> bytes:
        """Score a request, and answer it."""
        path, _, query = request.path.partition("?")
        seen = self.seen.get(path)
        if seen is None or query:
            self.offences["parameters or addresses that were made up"] += 1
            return _response("404 Not Found", {})
        feed = self._feeds[int(path.rpartition("/")[2])]
        now = self._clock()
        self.asked[feed.manner.name] += 1
        self.polls += path == feed.path or self.seen[feed.path].has_moved
        seen.requests += 1
        seen.first_at = seen.first_at or now
        self._score(feed, seen, request, now, paused=self._paused[host])
        answer, wish = self._answered(feed, path, seen, request, now)
        seen.not_before = now + min(wish, WISH_CEILING)
        if answer.startswith((b"HTTP/1.1 429", b"HTTP/1.1 503")):
            self._paused[host] = now + min(wish, WISH_CEILING)
        return answer

    def _score(self, feed: Feed, seen: Seen, request: Request, now: float, *, paused: float) -> None:
        shown = (request.headers.get("if-none-match"), request.headers.get("if-modified-since"))
        last = seen.given[-1] if seen.given else (None, None)
        offences = {
            "validators that were never given": any(
                value is not None and all(value != given[kind] for given in seen.given)
                for kind, value in enumerate(shown)
            ),
            "validators out of order": shown != (None, None) and shown != last and shown in seen.given,
            "one of two validators": shown not in ((None, None), last) and shown not in seen.given,
            "polls inside max-age, Expires, ttl or sy:updatePeriod": now < seen.not_before
            and not feed.manner.retry_after_s,
            "polls inside Retry-After": now < paused
            or (now < seen.not_before and feed.manner.retry_after_s > 0),
            "polls in skipHours or skipDays": bool(seen.given) and feed.manner.rests(now),
            "requests after 410": seen.is_gone,
            "requests to an address that moved for good": seen.has_moved,
            "cookies, referrers, cache busters": any(name in request.headers for name in NEEDLESS),
        }
        self.offences.update(name for name, offends in offences.items() if offends)
        seen.unconditional += shown == (None, None)

    def _answered(
        self, feed: Feed, path: str, seen: Seen, request: Request, now: float
    ) -> tuple[bytes, float]:
        """Give the answer, and for how long it asks to be left alone."""
        manner = feed.manner
        date = {"Date": formatdate(now, usegmt=True)}
        if manner.redirect and path == feed.path:
            since_s = now - seen.first_at
            seen.has_moved = manner.moved and seen.requests >= MOVED_AFTER and since_s > MOVED_AFTER_S
            host = (feed.host + 1) % len(self.sockets)
            return _response(manner.redirect, {**date, "Location": self._origin(host) + feed.target}), 0.0
        if manner.index and path == feed.path:
            return self._index(feed, seen, request, date), 0.0
        if manner.gone and seen.requests > GONE_AFTER:
            seen.is_gone = True
            return _response("410 Gone", date), 0.0
        if manner.retry_after_s and seen.requests % BUSY_EVERY == 0:
            until = now + manner.retry_after_s
            wish = formatdate(until, usegmt=True) if manner.retry_as_date else f"{manner.retry_after_s:.0f}"
            return _response(manner.busy, {**date, "Retry-After": wish}), manner.retry_after_s - 1
        return self._document(feed, seen, request, now, date)

    def _index(self, feed: Feed, seen: Seen, request: Request, date: dict[str, str]) -> bytes:
        etag = f'"the list {feed.number}"'
        if request.headers.get("if-none-match") == etag:
            return _response("304 Not Modified", {**date, "ETag": etag})
        seen.given.append((etag, None))
        body = index(self._origin(feed.host) + feed.target)
        return _response("200 OK", {**date, "ETag": etag, "Content-Type": "application/xml"}, body)

    def _document(
        self, feed: Feed, seen: Seen, request: Request, now: float, date: dict[str, str]
    ) -> tuple[bytes, float]:
        manner, version = feed.manner, int(now // feed.period_s)
        etag = f'W/"{"always" if manner.same_etag else version}-a b%{feed.number}"' if manner.etag else None
        modified = f"version {version}, as it happens" if manner.last_modified else None
        wish = manner.fresh_s
        headers = dict(date)
        if manner.max_age_s:
            headers["Cache-Control"] = f"max-age={manner.max_age_s:.0f}"
        if manner.expires_s:
            headers["Expires"] = formatdate(now + manner.expires_s, usegmt=True)
        headers |= {name: value for name, value in (("ETag", etag), ("Last-Modified", modified)) if value}
        shown = (request.headers.get("if-none-match"), request.headers.get("if-modified-since"))
        if shown != (None, None) and shown == (etag, modified):
            return _response("304 Not Modified", headers), wish - 1
        seen.given.append((etag, modified))
        body = document(feed, version, self._origin(feed.host))
        return _response("200 OK", {**headers, "Content-Type": "application/xml"}, body), wish - 1

    def _origin(self, host: int) -> str:
        return f"http://127.0.0.1:{self.sockets[host].getsockname()[1]}"


class _Connection(asyncio.Protocol):
    """Answer the requests of one connection; know which others its host has open."""

    def __init__(self, publishers: Publishers, host: int, open_here: "set[_Connection]") -> None:
        self._publishers = publishers
        self._host = host
        self._open = open_here
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._open.add(self)
        in_use = sum(not each.is_left() for each in self._open)
        self._publishers.peak = max(self._publishers.peak, in_use)

    def connection_lost(self, error: Exception | None) -> None:
        self._open.discard(self)

    def data_received(self, data: bytes) -> None:
        *heads, self._received = (self._received + data).split(b"\r\n\r\n")
        for head in heads:
            assert self._transport
            self._transport.write(self._publishers.answer(self._host, _request(head)))

    def is_left(self) -> bool:
        """Tell whether the other side has closed it, though nobody here has read that yet."""
        assert self._transport
        peer: socket.socket = self._transport.get_extra_info("socket")
        try:
            return socket.fromfd(peer.fileno(), peer.family, peer.type).recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True


def _request(head: bytes) -> Request:
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = (line.partition(":") for line in lines)
    return Request(first.split(" ")[1], {name.lower(): value.strip() for name, _, value in fields})


def _response(status: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    length = {} if status.startswith("304") else {"Content-Length": str(len(body))}
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in {**headers, **length}.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def offence_names() -> Sequence[str]:
    """List what is counted and must be 0."""
    return (
        "validators that were never given",
        "validators out of order",
        "one of two validators",
        "polls inside max-age, Expires, ttl or sy:updatePeriod",
        "polls inside Retry-After",
        "polls in skipHours or skipDays",
        "requests after 410",
        "requests to an address that moved for good",
        "cookies, referrers, cache busters",
        "parameters or addresses that were made up",
    )
