"""Serve the sample news web on loopback, one port an outlet, from a daemon thread with its own event loop."""

import asyncio
import socket
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import chain, repeat
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Self

from aiohttp import web

from pipeline.demo.answers import Answer, Source, answer, meet_conditions
from pipeline.demo.content import Outlet, read_outlets
from pipeline.demo.expected import Expected, read_expected
from pipeline.demo.rendering import Moment, Site, open_templates

LOOPBACK = "127.0.0.1"
PREFERRED_PORTS = range(8631, 8639)  # one an outlet, always the same: addresses are the identity of articles
SHUTDOWN = 0.5  # seconds that open connections are given at the end


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleOutlet:
    """Name one outlet that is being served; `feeds` are absolute addresses."""

    name: str
    host: str  # "127.0.0.1:8631"
    country: str  # ISO 3166-1 alpha-2
    feeds: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedRequest:
    """Record one request and the status it was answered with."""

    method: str
    url: str
    status: int


class SampleWeb:
    """Hold the running news web; close it, or use it as a context manager."""

    def __init__(
        self,
        sites: tuple[Site, ...],
        listeners: tuple[socket.socket, ...],
        source: Source,
        expected: Expected,
    ) -> None:
        self.outlets = tuple(_sample_outlet(site) for site in sites)
        self.feeds = tuple(chain.from_iterable(outlet.feeds for outlet in self.outlets))
        self.expected = expected
        self._source = source
        self._moment = Moment(started=datetime.now(UTC))
        self._requests: list[ServedRequest] = []
        self._stop = asyncio.Event()
        started: Future[asyncio.AbstractEventLoop] = Future()
        serving = self._serve(sites, listeners, started)
        self._thread = Thread(target=asyncio.run, args=(serving,), name="sample-news-web", daemon=True)
        self._thread.start()
        self._loop = started.result()

    @property
    def requests(self) -> tuple[ServedRequest, ...]:
        """Return the requests served so far, oldest first."""
        return tuple(self._requests)

    def publish_edits(self) -> None:
        """Publish the edited wording of articles that have one; their pages' and feeds' validators change."""
        self._moment = Moment(started=self._moment.started, edited=datetime.now(UTC))

    def close(self) -> None:
        """End the server and wait for its thread; a second call does nothing."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def _serve(
        self,
        sites: tuple[Site, ...],
        listeners: tuple[socket.socket, ...],
        started: "Future[asyncio.AbstractEventLoop]",
    ) -> None:
        runners = [
            web.ServerRunner(web.Server(partial(self._handle, site)), shutdown_timeout=SHUTDOWN)
            for site in sites
        ]
        try:
            for runner, listener in zip(runners, listeners, strict=True):
                await runner.setup()
                await web.SockSite(runner, listener).start()
        except Exception as error:
            started.set_exception(error)
        else:
            started.set_result(asyncio.get_running_loop())
            await self._stop.wait()
        await asyncio.gather(*(runner.cleanup() for runner in runners))

    async def _handle(self, site: Site, request: web.BaseRequest) -> web.Response:
        if request.method in ("GET", "HEAD"):
            found = answer(self._source, site, request.path_qs, self._moment)
        else:
            found = Answer(status=405)
        found, headers = meet_conditions(found, request.headers)
        self._requests.append(
            ServedRequest(method=request.method, url=site.origin + request.path_qs, status=found.status)
        )
        return web.Response(status=found.status, headers=headers, body=found.body)


def open_sample_web(directory: Path | None = None, *, ports: Iterable[int] = PREFERRED_PORTS) -> SampleWeb:
    """Serve the sample news web below `directory` (by default the one that ships as seeds/sample).

    The outlets take `ports` in turn; one whose port is taken, or for which none is left, takes any free one.
    """
    root: Traversable = directory or files("seeds") / "sample"
    outlets = read_outlets(root)
    with ExitStack() as opened:
        wanted = chain(ports, repeat(0))
        listeners = tuple(
            opened.enter_context(_listen(port)) for _, port in zip(outlets, wanted, strict=False)
        )
        sites = tuple(map(_site, outlets, listeners))
        source = Source(templates=open_templates(root / "templates"), files=root / "files")
        sample_web = SampleWeb(sites, listeners, source, read_expected(root, sites))
        opened.pop_all()
    return sample_web


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((LOOPBACK, port))
    except OSError:
        return socket.create_server((LOOPBACK, 0))


def _site(outlet: Outlet, listener: socket.socket) -> Site:
    return Site(outlet=outlet, origin=f"http://{LOOPBACK}:{listener.getsockname()[1]}")


def _sample_outlet(site: Site) -> SampleOutlet:
    return SampleOutlet(
        name=site.outlet.name,
        host=site.origin.removeprefix("http://"),
        country=site.outlet.country,
        feeds=tuple(site.origin + feed.path for feed in site.outlet.feeds),
    )
