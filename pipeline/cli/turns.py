"""Ask hosts politely from the command line: one request at a time to a host, spaced, beside the workers'."""

import asyncio
import time
from dataclasses import dataclass, field, replace

from pipeline.cli.wording import pause_in_words
from pipeline.feeds.headers import Headers, headers_for
from pipeline.fetching.classify import rest_after
from pipeline.fetching.http import BODY_LIMIT, Http
from pipeline.identity import host_of, url_key
from pipeline.model import Exchange, FetchFailure, RequestKind
from pipeline.store.claims import claim_host, rest_of
from pipeline.store.leases import new_owner, release_host
from pipeline.store.pauses import read_pauses
from pipeline.store.store import Store

PATIENCE_S = 60.0
"""How long a host's turn is waited for; workers keep one for some seconds."""

LOOK_AGAIN_S = 0.2

LEFT_ALONE = "left-alone"
"""The slug of a request that was not made, since its host is to be left alone."""


@dataclass(frozen=True, slots=True)
class Turns:
    """Make requests in their hosts' turns. Without a store there are no workers, and the pause is our own."""

    http: Http
    store: Store | None
    delay_s: float
    own: Headers = field(default=(), repr=False)  # secrets
    own_origin: str | None = None  # who may have them
    owner: str = field(default_factory=lambda: new_owner("command"))
    rest_until: dict[str, float] = field(default_factory=dict)  # by host, on time.monotonic()

    def with_own(self, headers: Headers, *, origin: str | None) -> "Turns":
        """Ask in the same turns, with headers for one origin alone."""
        return replace(self, own=headers, own_origin=origin)

    async def get(
        self,
        url: str,
        *,
        headers: Headers = (),
        limit: int = BODY_LIMIT,
        kind: RequestKind = RequestKind.PAGE,
    ) -> Exchange | FetchFailure:
        """Do what `Http.get` does in the host's turn; LEFT_ALONE when that will not come in time."""
        if url_key(url) is None:
            return await self.http.get(url, limit=limit)  # which refuses it
        host = host_of(url)
        if not await self._take(host):
            return FetchFailure(url=url, slug=LEFT_ALONE, detail=self._why_not(host))
        delay_s = self.delay_s
        try:
            own = headers_for(url, self.own, origin=self.own_origin)
            answer = await self.http.get(url, headers=(*headers, *own), limit=limit, kind=kind)
            delay_s = rest_after(answer, self.delay_s)
        finally:
            self._give_back(host, delay_s)
        return answer

    async def _take(self, host: str) -> bool:
        ends_at = time.monotonic() + PATIENCE_S
        while not self._is_ours(host):
            if time.monotonic() + self._rest(host) >= ends_at:
                return False
            await asyncio.sleep(LOOK_AGAIN_S)
        return True

    def _why_not(self, host: str) -> str:
        """Say why a host is not asked."""
        if self.store is not None:
            with self.store.read() as connection:
                pause = read_pauses(connection, self.store).get(host)
            if pause is not None:
                return f"{pause_in_words(pause)}, and was not asked"
        return f"its host {host} is asked by somebody else for more than {PATIENCE_S:g} s"

    def _is_ours(self, host: str) -> bool:
        if self.store is not None:
            return claim_host(self.store, host, owner=self.owner)
        return time.monotonic() >= self.rest_until.get(host, 0.0)

    def _rest(self, host: str) -> float:
        if self.store is not None:
            return max(0.0, rest_of(self.store, host))
        return max(0.0, self.rest_until.get(host, 0.0) - time.monotonic())

    def _give_back(self, host: str, delay_s: float) -> None:
        if self.store is not None:
            release_host(self.store, host, self.owner, delay_s=delay_s)
            return
        self.rest_until[host] = time.monotonic() + delay_s
