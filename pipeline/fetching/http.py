"""One HTTP request and its whole answer, bounded in time and memory, through the address guard.

aiohttp decompresses in bounded steps (CVE-2025-69223 is fixed), so a compression bomb ends at the limit.
"""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from yarl import URL

from pipeline.fetching.classify import retry_after
from pipeline.fetching.failures import BodyTooLargeError, UnaskedError, failure_of
from pipeline.fetching.flooding import BoundedConnector
from pipeline.fetching.guard import (
    GuardedResolver,
    Networks,
    guarded_socket,
    proxy_socket,
    url_refusal,
)
from pipeline.identity import host_of, url_key
from pipeline.model import Exchange, FetchFailure, Request, RequestKind, header
from pipeline.outcomes import FetchSlug

BODY_LIMIT = 10 * 1024 * 1024  # bytes after decompression; the largest of 181 real pages has 1.5 MB
SMALL_BODY = 256 * 1024  # bytes that every answer may hold; seven in eight of those pages have no more
LARGE_BODIES = 4  # answers of one client that hold more at the same time; others wait, within their time-out
TOTAL_TIMEOUT = 30.0  # seconds from the first DNS query to the last byte; a slow drip ends here
KEEP_ALIVE_S = 2.0
"""As long as a host's turn may pause between two pages; at its end `hang_up` closes its connection."""

_CONNECT_TIMEOUT = 10.0  # seconds an address is tried
_HEADER_LINE_LIMIT = 32 * 1024  # bytes; news sites send Content-Security-Policy headers of over 8 KiB
_HEADERS_LIMIT = 256  # header fields in one answer
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CONDITIONS = frozenset({"if-none-match", "if-modified-since"})
_PAUSING = frozenset({429, 503})  # their Retry-After is for all that we ask of the host
_NOT_SENT = frozenset({FetchSlug.REFUSED_ADDRESS, FetchSlug.DNS})
_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization"})


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpOptions:
    """Hold how requests are made; `allowed` networks pass the guard, `proxy` is an http:// URL."""

    user_agent: str
    allowed: Networks = ()
    proxy: str | None = None
    timeout: float = TOTAL_TIMEOUT


class Http:
    """Make requests over one session, with at most one connection to each host and port."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        options: HttpOptions,
        resolver: GuardedResolver,
        large: asyncio.Semaphore,
    ) -> None:
        self._session = session
        self._options = options
        self._resolver = resolver
        self._large = large
        self._connections: set[ResponseHandler] = set()  # that requests were made on
        self.asked: list[Request] = []  # what was asked of servers, in the order of the answers

    def apart(self) -> "Http":
        """Give the same session with a list of requests of its own."""
        return Http(self._session, self._options, self._resolver, self._large)

    def hang_up(self) -> None:
        """Close the connections that this client's requests left open: another may be the next to ask."""
        for connection in self._connections:
            connection.close()
        self._connections.clear()

    async def get(
        self,
        url: str,
        *,
        headers: Sequence[tuple[str, str]] = (),
        limit: int = BODY_LIMIT,
        kind: RequestKind = RequestKind.PAGE,
    ) -> Exchange | FetchFailure:
        """Request a URL and read its whole answer, redirects included as answers.

        `limit` bounds the body, in bytes after decompression. Userinfo and fragment of the URL are not sent.
        Raises nothing but cancellation.
        """
        began, answer = time.monotonic(), None
        try:
            answer = await self._get(url, headers, limit)
            return answer
        finally:  # cancelled, too: it was sent
            unsent = isinstance(answer, FetchFailure) and answer.slug in _NOT_SENT
            if url_key(url) and not unsent:
                self.asked.append(_request(url, kind, headers, began, answer))

    async def _get(self, url: str, headers: Sequence[tuple[str, str]], limit: int) -> Exchange | FetchFailure:
        why = url_refusal(url)
        if why:
            return FetchFailure(url=url, slug=FetchSlug.REFUSED_ADDRESS, detail=why)
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._options.timeout):
                return await self._exchange(url, headers, limit)
        except Exception as error:  # whatever an answer provokes is that server's failure, never the worker's
            elapsed_s = time.monotonic() - began
            slug, detail = failure_of(error)
            return FetchFailure(url=url, slug=slug, detail=detail, elapsed_s=elapsed_s)

    async def _exchange(self, url: str, headers: Sequence[tuple[str, str]], limit: int) -> Exchange:
        target = _target(url)
        if self._options.proxy:
            await self._resolver.resolve(target.raw_host or "", target.port or 0)
        fetched_at, began = time.time(), time.monotonic()
        async with self._session.get(
            target, headers=headers, allow_redirects=False, proxy=self._options.proxy
        ) as response:
            if response.status < 200:  # 101, for which nobody asked (RFC 9110 §15.2.2)
                raise UnaskedError(f"answers {response.status}, which nobody asked for")
            if response.protocol is not None:  # type: ignore[attr-defined]
                self._connections.add(response.protocol)  # type: ignore[attr-defined]
            body = await _read(response, limit, self._large)
            received = int(getattr(response.content, "total_raw_bytes", 0))  # an empty stream has no count
        await asyncio.sleep(0)  # a connection that is not kept closes now, before its host's turn ends
        return Exchange(
            url=str(target),
            method="GET",
            request_headers=_sent(response),
            status=response.status,
            reason=response.reason or "",
            headers=tuple((_text(name), _text(value)) for name, value in response.raw_headers),
            body=body,
            fetched_at=fetched_at,
            remote_address=None if self._options.proxy else response.peer,  # type: ignore[attr-defined]
            elapsed_s=time.monotonic() - began,
            bytes_received=received,
        )


@asynccontextmanager
async def open_http(
    options: HttpOptions, *, resolver: AbstractResolver | None = None, keep_alive_s: float = KEEP_ALIVE_S
) -> AsyncIterator[Http]:
    """Open a session on the running event loop; names are resolved in threads unless a resolver is given.

    A connection is kept for `keep_alive_s` for the next request to its host; 0: for none.
    """
    names = resolver or aiohttp.ThreadedResolver()
    guarded = GuardedResolver(names, options.allowed)
    connector = BoundedConnector(
        resolver=names if options.proxy else guarded,
        socket_factory=await _socket_factory(options),
        limit=0,
        limit_per_host=1,
        **({"keepalive_timeout": keep_alive_s} if keep_alive_s else {"force_close": True}),
    )
    async with aiohttp.ClientSession(
        connector=connector,
        headers={"User-Agent": options.user_agent, "Accept-Encoding": "gzip, deflate, br"},
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT),
        trust_env=False,
        response_class=_Response,
        max_line_size=_HEADER_LINE_LIMIT,
        max_field_size=_HEADER_LINE_LIMIT,
        max_headers=_HEADERS_LIMIT,
    ) as session:
        yield Http(session, options, guarded, asyncio.Semaphore(LARGE_BODIES))


def user_agent(url: str) -> str:
    """Return how Wireroom names itself, with the address at which its operator can be reached."""
    return f"Wireroom/{version('wireroom')} (+{url})"


def next_hop(exchange: Exchange) -> str | None:
    """Return the absolute address that a redirect leads to, without its fragment and userinfo.

    None when the answer is no redirect, or leads to something that is no http(s) URL (RFC 9110 §10.2.2).
    """
    location = header(exchange.headers, "Location")
    if exchange.status not in _REDIRECTS or location is None:
        return None
    try:
        target = str(URL(exchange.url).join(URL(location.strip())).with_fragment(None).with_user(None))
    except ValueError:
        return None
    return None if url_refusal(target) else target


def _request(
    url: str,
    kind: RequestKind,
    headers: Sequence[tuple[str, str]],
    began: float,
    answer: Exchange | FetchFailure | None,
) -> Request:
    exchange = answer if isinstance(answer, Exchange) else None
    return Request(
        host=host_of(url),
        kind=kind,
        began=began,
        ended=time.monotonic(),
        status=exchange.status if exchange else None,
        bytes=exchange.bytes_received if exchange else 0,
        is_conditional=any(name.lower() in _CONDITIONS for name, _ in headers),
        pause_s=retry_after(exchange) if exchange and exchange.status in _PAUSING else None,
    )


class _Response(aiohttp.ClientResponse):
    """Remember who answered, and on what; a short answer has given its connection back before we see it."""

    peer: str | None = None
    protocol: ResponseHandler | None = None

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        self.protocol, transport = connection.protocol, connection.transport
        address = transport.get_extra_info("peername") if transport else None
        self.peer = address[0] if address else None
        return await super().start(connection)


async def _read(response: aiohttp.ClientResponse, limit: int, large: asyncio.Semaphore) -> bytes:
    """Read a body; one that turns out to be large waits for its turn, so that many take no more memory."""
    if (response.content_length or 0) > limit:
        raise BodyTooLargeError(f"declares {response.content_length} bytes, the limit is {limit}")
    body = bytearray()
    async with AsyncExitStack() as turn:
        async for chunk in response.content.iter_any():
            if len(body) <= SMALL_BODY < len(body) + len(chunk):
                await turn.enter_async_context(large)
            body += chunk
            if len(body) > limit:
                raise BodyTooLargeError(f"over {limit} bytes after decompression")
        return bytes(body)


async def _socket_factory(options: HttpOptions) -> aiohttp.SocketFactoryType:
    if options.proxy is None:
        return guarded_socket(options.allowed)
    proxy = URL(options.proxy)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(proxy.host, proxy.port, type=socket.SOCK_STREAM)
    except OSError:
        found = []  # each request will say that the proxy does not resolve
    return proxy_socket(frozenset((str(address[0]), int(address[1])) for *_, address in found))


def _target(url: str) -> URL:
    try:
        return URL(url).with_user(None).with_fragment(None)
    except ValueError as error:
        raise aiohttp.InvalidURL(url, str(error)) from error


def _sent(response: aiohttp.ClientResponse) -> tuple[tuple[str, str], ...]:
    headers = response.request_info.headers.items()
    return tuple((name, value) for name, value in headers if name.lower() not in _SECRET_HEADERS)


def _text(octets: bytes) -> str:
    """Decode a header field: UTF-8 as many servers send it, else ISO 8859-1 as HTTP once had it."""
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("latin-1")
