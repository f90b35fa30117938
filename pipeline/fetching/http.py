"""One HTTP request and its whole answer, bounded in time and memory, through the address guard.

aiohttp decompresses in bounded steps (CVE-2025-69223 is fixed), so a compression bomb ends at the limit.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.connector import Connection
from yarl import URL

from pipeline.fetching.flooding import BoundedConnector
from pipeline.fetching.guard import (
    AddressRefused,
    GuardedResolver,
    Networks,
    guarded_socket,
    proxy_socket,
    url_refusal,
)
from pipeline.model import Exchange, FetchFailure, header
from pipeline.outcomes import FetchSlug

BODY_LIMIT = 10 * 1024 * 1024  # bytes after decompression; the largest of 181 real pages has 1.5 MB
SMALL_BODY = 256 * 1024  # bytes that every answer may hold; seven in eight of those pages have no more
LARGE_BODIES = 4  # answers of one client that hold more at the same time; others wait, within their time-out
TOTAL_TIMEOUT = 30.0  # seconds from the first DNS query to the last byte; a slow drip ends here
_CONNECT_TIMEOUT = 10.0  # seconds an address is tried
_HEADER_LINE_LIMIT = 32 * 1024  # bytes; news sites send Content-Security-Policy headers of over 8 KiB
_HEADERS_LIMIT = 256  # header fields in one answer
_DETAIL_LIMIT = 200  # characters of an error's text that a person is shown
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
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
        self, session: aiohttp.ClientSession, options: HttpOptions, resolver: GuardedResolver
    ) -> None:
        self._session = session
        self._options = options
        self._resolver = resolver
        self._large = asyncio.Semaphore(LARGE_BODIES)

    async def get(
        self, url: str, *, headers: Sequence[tuple[str, str]] = (), limit: int = BODY_LIMIT
    ) -> Exchange | FetchFailure:
        """Request a URL and read its whole answer, redirects included as answers.

        `limit` bounds the body, in bytes after decompression. Userinfo and fragment of the URL are not sent.
        Raises nothing but cancellation.
        """
        why = url_refusal(url)
        if why:
            return FetchFailure(url=url, slug=FetchSlug.REFUSED_ADDRESS, detail=why)
        try:
            async with asyncio.timeout(self._options.timeout):
                return await self._exchange(url, headers, limit)
        except Exception as error:  # whatever an answer provokes is that server's failure, never the worker's
            return FetchFailure(url=url, slug=_slug(error), detail=_detail(error))

    async def _exchange(self, url: str, headers: Sequence[tuple[str, str]], limit: int) -> Exchange:
        target = _target(url)
        if self._options.proxy:
            await self._resolver.resolve(target.raw_host or "", target.port or 0)
        fetched_at = time.time()
        async with self._session.get(
            target, headers=headers, allow_redirects=False, proxy=self._options.proxy
        ) as response:
            if response.status < 200:  # 101, for which nobody asked (RFC 9110 §15.2.2)
                raise _UnaskedError(f"answers {response.status}, which nobody asked for")
            body = await _read(response, limit, self._large)
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
        )


@asynccontextmanager
async def open_http(options: HttpOptions, *, resolver: AbstractResolver | None = None) -> AsyncIterator[Http]:
    """Open a session on the running event loop; names are resolved in threads unless a resolver is given."""
    names = resolver or aiohttp.ThreadedResolver()
    guarded = GuardedResolver(names, options.allowed)
    connector = BoundedConnector(
        resolver=names if options.proxy else guarded,
        socket_factory=await _socket_factory(options),
        limit=0,
        limit_per_host=1,
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
        yield Http(session, options, guarded)


def user_agent(url: str) -> str:
    """Return how Wireroom names itself, with the address at which its operator can be reached."""
    return f"Wireroom/{version('wireroom')} (+{url})"


def next_hop(exchange: Exchange) -> str | None:
    """Return the absolute address that a redirect leads to, without its fragment.

    None when the answer is no redirect, or leads to something that is no http(s) URL (RFC 9110 §10.2.2).
    """
    location = header(exchange.headers, "Location")
    if exchange.status not in _REDIRECTS or location is None:
        return None
    try:
        target = str(URL(exchange.url).join(URL(location.strip())).with_fragment(None))
    except ValueError:
        return None
    return None if url_refusal(target) else target


class _Response(aiohttp.ClientResponse):
    """Remember which address answered; a short answer has given its connection back before we see it."""

    peer: str | None = None

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        transport = connection.transport
        address = transport.get_extra_info("peername") if transport else None
        self.peer = address[0] if address else None
        return await super().start(connection)


class _BodyTooLargeError(Exception):
    pass


class _UnaskedError(Exception):
    pass


async def _read(response: aiohttp.ClientResponse, limit: int, large: asyncio.Semaphore) -> bytes:
    """Read a body; one that turns out to be large waits for its turn, so that many take no more memory."""
    if (response.content_length or 0) > limit:
        raise _BodyTooLargeError(f"declares {response.content_length} bytes, the limit is {limit}")
    body = bytearray()
    async with AsyncExitStack() as turn:
        async for chunk in response.content.iter_any():
            if len(body) <= SMALL_BODY < len(body) + len(chunk):
                await turn.enter_async_context(large)
            body += chunk
            if len(body) > limit:
                raise _BodyTooLargeError(f"over {limit} bytes after decompression")
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


_SLUGS: tuple[tuple[type[BaseException], FetchSlug], ...] = (  # the first that fits, special before general
    (AddressRefused, FetchSlug.REFUSED_ADDRESS),
    (aiohttp.InvalidURL, FetchSlug.REFUSED_ADDRESS),
    (_BodyTooLargeError, FetchSlug.TOO_LARGE),
    (TimeoutError, FetchSlug.TIMEOUT),
    (aiohttp.ClientConnectorDNSError, FetchSlug.DNS),
    (socket.gaierror, FetchSlug.DNS),
    (aiohttp.ClientSSLError, FetchSlug.TLS),
    (ssl.SSLError, FetchSlug.TLS),
    (aiohttp.ClientConnectorError, FetchSlug.CONNECT),
    (aiohttp.ClientHttpProxyError, FetchSlug.CONNECT),
)


def _slug(error: BaseException) -> FetchSlug:
    causes = tuple(_causes(error))
    for kind, slug in _SLUGS:
        if any(isinstance(cause, kind) for cause in causes):
            return slug
    return FetchSlug.BAD_ANSWER


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _detail(error: BaseException) -> str:
    refused = [cause for cause in _causes(error) if isinstance(cause, AddressRefused)]
    if isinstance(error, aiohttp.ClientResponseError):
        text = error.message
    elif isinstance(error, TimeoutError):
        text = str(error) or "no whole answer in time"
    else:
        text = str(refused[0] if refused else error)
    return " ".join(text.split())[:_DETAIL_LIMIT] or type(error).__name__
