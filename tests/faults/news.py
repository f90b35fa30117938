"""A news web whose served set is the oracle: it knows which article it showed, in which revision.

Each host is a loopback port with one feed and short articles in the HTML of a real site, so that a dose costs
little. Publishing and editing happen when the driver says so, not by the clock.
"""

import asyncio
import gzip
import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from itertools import pairwise

from bench.serving import Resource, loopback_sockets, serve

ENTRIES_A_FEED, SHOWN = 50, 100
FEWEST_HOSTS, MOST_HOSTS = 4, 40
PARAGRAPHS, SENTENCES = 3, 3
EARLY = 0.9
KILLER = "killer"
"""In an address: enrich dies of it, each time (tests/faults/inside)."""

REFUSED = "refused"
"""In an address: an Elasticsearch that was told so refuses its document, each time."""

STORY = "story"
KINDS = (STORY, KILLER, REFUSED)

WHO = "The harbour council|A ferry captain|The city archive|Two engineers|A school of music"
DID = "opened|measured|repaired|described|counted|moved"
WHAT = "the old lighthouse|forty wooden boats|a map of the coast|nine bridges|the market hall"
WHEN = "before the storm|on Tuesday evening|after a long debate|for the third time|in the spring"
WORDS = tuple(part.split("|") for part in (WHO, DID, WHAT, WHEN))


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """Hold an article as it is at one moment."""

    number: int
    host: int
    revision: int
    published_at: float  # seconds since the epoch
    kind: str = STORY

    @property
    def path(self) -> str:
        """Give its path, which never changes."""
        return f"/{self.kind}/{self.number}"

    @property
    def title(self) -> str:
        """Give its title, which tells the revision."""
        return f"Report {self.number} from the coast, revision {self.revision}"

    def text(self) -> list[str]:
        """Write its paragraphs, other words in each revision."""
        chance = random.Random(f"{self.number} {self.revision}")
        lines = [
            " ".join(
                f"{chance.choice(WORDS[0])} {chance.choice(WORDS[1])} {chance.choice(WORDS[2])} "
                f"{chance.choice(WORDS[3])}."
                for _ in range(SENTENCES)
            )
            for _ in range(PARAGRAPHS)
        ]
        return [f"This is report {self.number} in its revision {self.revision}. {lines[0]}", *lines[1:]]


@dataclass(slots=True)
class NewsWeb:
    """Publish and edit articles, and remember what was shown to whom asked."""

    origins: Sequence[str]
    articles: list[Article] = field(default_factory=list)
    served: dict[str, int] = field(default_factory=dict)  # address → highest revision that a feed showed
    asked: list[tuple[float, int]] = field(default_factory=list)  # polls: time.monotonic(), host
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _feeds: dict[int, Resource] = field(default_factory=dict)  # as last written, until something changes

    @property
    def feeds(self) -> list[str]:
        """List the feeds' addresses."""
        return [f"{origin}/feed/{host}" for host, origin in enumerate(self.origins)]

    def url(self, article: Article) -> str:
        """Give an article's address."""
        return self.origins[article.host] + article.path

    def publish(self, count: int, kind: str = STORY) -> None:
        """Let so many new articles appear, host by host."""
        with self._lock:
            for number in range(len(self.articles), len(self.articles) + count):
                host = number % len(self.origins)
                new = Article(number=number, host=host, revision=1, published_at=time.time(), kind=kind)
                self.articles.append(new)
                self._feeds.pop(host, None)

    def edit(self, count: int, chance: random.Random) -> None:
        """Let so many of the articles appear in a new revision."""
        with self._lock:
            stories = [each for each in self.articles if each.kind == STORY]
            for old in chance.sample(stories, min(count, len(stories))):
                self.articles[old.number] = Article(
                    number=old.number,
                    host=old.host,
                    revision=old.revision + 1,
                    published_at=old.published_at,
                )
                self._feeds.pop(old.host, None)

    def polled_early(self, interval_s: float) -> int:
        """Count the polls that came clearly sooner than so long after the one before, of the same feed."""
        by_host: dict[int, list[float]] = {}
        for at, host in self.asked:
            by_host.setdefault(host, []).append(at)
        gaps = (later - sooner for times in by_host.values() for sooner, later in pairwise(times))
        return sum(gap < EARLY * interval_s for gap in gaps)

    def find(self, path: str) -> Resource | None:
        """Answer a request; a feed that is shown counts as seen, whether or not the answer arrives."""
        _, kind, number = [*path.split("/"), "", ""][:3]
        with self._lock:
            if kind == "feed":
                return self._show_feed(int(number))
            if kind in KINDS and int(number) < len(self.articles):
                return _resource(_page(self.articles[int(number)]), "text/html; charset=utf-8")
        return None

    def _show_feed(self, host: int) -> Resource:
        shown = self.articles[host :: len(self.origins)][-SHOWN:]
        self.asked.append((time.monotonic(), host))
        self.served |= {self.url(each): each.revision for each in shown}
        if host not in self._feeds:
            items = "".join(self._item(each) for each in reversed(shown))
            head = f"<title>Coast {host}</title><link>{self.origins[host]}/</link><description/>"
            body = f'<rss version="2.0"><channel>{head}{items}</channel></rss>'
            self._feeds[host] = _resource(body, "application/rss+xml")
        return self._feeds[host]

    def _item(self, article: Article) -> str:
        date = formatdate(article.published_at, usegmt=True)
        return (
            f"<item><title>{article.title}</title><link>{self.url(article)}</link>"
            f"<guid>{self.url(article)}</guid><pubDate>{date}</pubDate>"
            f"<description>{article.text()[0]}</description></item>\n"
        )


@contextmanager
def open_news(articles: int) -> Iterator[NewsWeb]:
    """Serve a web that is to hold so many articles, and is empty, from a thread of this process."""
    hosts = max(FEWEST_HOSTS, min(MOST_HOSTS, articles // ENTRIES_A_FEED))
    sockets = loopback_sockets(hosts, first_port=0)
    web = NewsWeb([f"http://127.0.0.1:{each.getsockname()[1]}" for each in sockets])
    loop = asyncio.new_event_loop()
    serving = loop.create_task(serve(sockets, web.find, latency=0.0))
    thread = threading.Thread(target=loop.run_until_complete, args=(_until_cancelled(serving),), daemon=True)
    thread.start()
    try:
        yield web
    finally:
        loop.call_soon_threadsafe(serving.cancel)
        thread.join()
        loop.close()
        for each in sockets:  # a server that was cancelled before it began has not closed its own
            each.close()


async def _until_cancelled(serving: "asyncio.Task[None]") -> None:
    await asyncio.wait([serving])


def _page(article: Article) -> str:
    paragraphs = "".join(f"<p>{each}</p>\n" for each in article.text())
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{article.title} | Coast</title>'
        f'<meta property="og:title" content="{article.title}"></head>'
        '<body><header><nav><a href="/">Home</a> <a href="/about">About us</a></nav></header>'
        f"<main><article><h1>{article.title}</h1>{paragraphs}</article></main>"
        "<footer>Coast, all rights reserved</footer></body></html>"
    )


def _resource(body: str, media_type: str) -> Resource:
    return Resource(compressed=gzip.compress(body.encode(), 1, mtime=0), media_type=media_type)
