"""Serve a web of real feeds and real article pages on loopback, for end-to-end runs.

The 200 cached feeds are served as they came, but for their entries' links, which lead to one of 20 loopback
hosts (one port each), where every distinct link shows one of the 181 real article pages. The server is a
process of its own with every body compressed beforehand: it takes little from the cores that it shares.

    python -m bench.corpus_web --feeds 200 --list feeds.txt     serves until it is ended
    python -m bench.corpus_web --distinct 1810                  plain feeds with that many links, for speed
    python -m bench.corpus_web --oracle                         serves nothing; what feedparser finds, as JSON
"""

import argparse
import asyncio
import gzip
import io
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from email.utils import formatdate
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import feedparser

from bench.rewriting import SourceFeed, host_of, rewritten, story_address, story_path
from bench.serving import Resource, loopback_sockets, serve

CORPORA = Path(__file__).parents[2] / "shared" / "corpora"
HOSTS = 20
PAGES = 181
GZIP_LEVEL = 1  # feeds only: the pages are served as compressed as they came
STORY = re.compile(r"/story/(\d{3})-[0-9a-f]{16}")
NEWEST = 1_760_000_000  # plain feeds' first date, seconds since the epoch; each link is a minute older
MEDIA_TYPES = {
    "rss": "application/rss+xml",
    "atom": "application/atom+xml",
    "rdf": "application/rdf+xml",
    "json": "application/feed+json",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedFeed:
    """Hold a feed as it is served, with the absolute links put into it, those of its identifiers included."""

    url: str
    media_type: str
    body: bytes
    links: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """Say where a corpus web is served and by which process, and which links were put into its feeds."""

    pid: int
    hosts: tuple[str, ...]
    feeds: tuple[str, ...]
    links: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Oracle:
    """Hold what feedparser finds in feeds: entries, those without a link, the distinct absolute links.

    `astray` are links that do not lead to the loopback web: the rewriting is at fault when there are any.
    """

    feeds: int
    entries: int
    without_link: int
    links: tuple[str, ...]
    astray: tuple[str, ...]


def cached_feeds(count: int) -> list[SourceFeed]:
    """Read the first `count` cached feeds, in the manifest's order."""
    folder = CORPORA / "cached-feeds"
    rows = map(json.loads, (folder / "manifest.jsonl").read_text().splitlines()[:count])
    with zipfile.ZipFile(folder / "feeds.zip") as bodies:
        return [
            SourceFeed(name=row["file"], url=row["url"], kind=row["kind"], body=bodies.read(row["file"]))
            for row in rows
        ]


def compressed_pages() -> list[bytes]:
    """Read the article pages (UTF-8 HTML in gzip), in the order of their names."""
    with zipfile.ZipFile(CORPORA / "article-extraction" / "html.zip") as bodies:
        return [bodies.read(name) for name in sorted(bodies.namelist()) if name.endswith(".html.gz")]


def real_feeds(hosts: Sequence[str], *, feeds: int, articles: int) -> list[ServedFeed]:
    """Lead the cached feeds' links to `hosts`, leaving out feeds that bring more than `articles` links."""
    chosen: list[ServedFeed] = []
    links = frozenset[str]()
    for source in cached_feeds(feeds):
        feed = _led_to(hosts, source)
        if len(links | feed.links) <= articles:
            links |= feed.links
            chosen.append(feed)
    return chosen


def plain_feeds(hosts: Sequence[str], *, distinct: int) -> list[ServedFeed]:
    """Make one plain RSS feed a host, with `distinct` links in all that show every page equally often."""
    links = [hosts[n % len(hosts)] + story_path(f"story {n}", n % PAGES) for n in range(distinct)]
    return [_plain_feed(f"{host}/feed/plain-{n}", links[n :: len(hosts)]) for n, host in enumerate(hosts)]


def oracle(feeds: Sequence[ServedFeed]) -> Oracle:
    """Ask feedparser what the feeds hold; about 40 ms a feed."""
    entries = [(feed.url, link) for feed in feeds for link in _entry_links(feed)]
    found = [(url, link) for url, link in entries if link]
    links = {urljoin(url, link) for url, link in found}
    return Oracle(
        feeds=len(feeds),
        entries=len(entries),
        without_link=len(entries) - len(found),
        links=tuple(sorted(links)),
        astray=tuple(sorted(link for link in links if not link.startswith("http://127.0.0.1:"))),
    )


@contextmanager
def corpus_web(*options: str) -> Iterator[Web]:
    """Serve a corpus web in a process of its own; `options` are those of the command line."""
    with tempfile.TemporaryDirectory(prefix="corpus-web-") as folder:
        feeds, links = Path(folder, "feeds.txt"), Path(folder, "links.txt")
        command = [
            sys.executable,
            "-m",
            "bench.corpus_web",
            *options,
            "--list",
            str(feeds),
            "--links",
            str(links),
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1]) as process:
            try:
                assert process.stdout is not None
                ready = json.loads(process.stdout.readline())
                yield Web(
                    pid=process.pid,
                    hosts=tuple(ready["hosts"]),
                    feeds=tuple(feeds.read_text().split()),
                    links=tuple(links.read_text().split()),
                )
            finally:
                process.terminate()


def _led_to(hosts: Sequence[str], source: SourceFeed) -> ServedFeed:
    home = f"{host_of(source.url, hosts)}/feed/{source.name}"
    links = set[str]()

    def address(link: str) -> str:
        answer = story_address(link, feed_url=source.url, hosts=hosts, pages=PAGES)
        links.add(urljoin(home, answer))
        return answer

    body = rewritten(source, address)
    return ServedFeed(url=home, media_type=MEDIA_TYPES[source.kind], body=body, links=frozenset(links))


def _plain_feed(url: str, links: Sequence[str]) -> ServedFeed:
    items = "".join(
        f"<item><title>Story {number}</title><link>{link}</link><guid>{link}</guid>"
        f"<pubDate>{formatdate(NEWEST - 60 * number, usegmt=True)}</pubDate></item>\n"
        for number, link in enumerate(links)
    )
    site = urljoin(url, "/")
    body = f'<rss version="2.0"><channel><title>{site}</title><link>{site}</link>\n{items}</channel></rss>\n'
    return ServedFeed(url=url, media_type=MEDIA_TYPES["rss"], body=body.encode(), links=frozenset(links))


def _entry_links(feed: ServedFeed) -> list[str | None]:
    """List the links of a feed's entries, None for an entry without one."""
    if feed.media_type == MEDIA_TYPES["json"]:
        return [item.get("url") for item in json.loads(feed.body)["items"]]
    parsed = feedparser.parse(
        io.BytesIO(feed.body),
        response_headers={"content-type": feed.media_type},
        sanitize_html=False,
        resolve_relative_uris=False,
    )
    return [entry.get("link") or None for entry in parsed.entries]


def _resources(feeds: Sequence[ServedFeed]) -> dict[str, Resource]:
    return {
        urlsplit(feed.url).path: Resource(
            compressed=gzip.compress(feed.body, GZIP_LEVEL, mtime=0), media_type=feed.media_type
        )
        for feed in feeds
    }


def _finder(feeds: Mapping[str, Resource], pages: Sequence[Resource]) -> Callable[[str], Resource | None]:
    """Make the function that finds what a path shows; a story's page is in its path."""

    def find(path: str) -> Resource | None:
        story = STORY.fullmatch(path)
        return pages[int(story[1])] if story else feeds.get(path)

    return find


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.corpus_web", description="Serve a web of real feeds."
    )
    parser.add_argument(
        "--feeds", type=int, default=200, help="how many of the 200 cached feeds (default: all)"
    )
    parser.add_argument(
        "--articles", type=int, default=sys.maxsize, help="leave out feeds beyond that many links"
    )
    parser.add_argument(
        "--distinct", type=int, help="plain feeds with that many links instead of the real ones"
    )
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer (default: 0)")
    parser.add_argument(
        "--port", type=int, default=0, help=f"the first of {HOSTS} ports (default: free ones)"
    )
    parser.add_argument("--list", type=Path, help="write the feeds' addresses to this file")
    parser.add_argument("--links", type=Path, help="write the distinct article links to this file")
    parser.add_argument("--oracle", action="store_true", help="print what feedparser finds, and do not serve")
    return parser.parse_args()


def main() -> None:
    """Serve until ended; print one line of JSON when ready."""
    arguments = _arguments()
    sockets = loopback_sockets(HOSTS, first_port=arguments.port)
    hosts = [f"http://127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    if arguments.distinct:
        feeds = plain_feeds(hosts, distinct=arguments.distinct)
    else:
        feeds = real_feeds(hosts, feeds=arguments.feeds, articles=arguments.articles)
    links = sorted(frozenset[str]().union(*(feed.links for feed in feeds)))
    for file, lines in ((arguments.list, [feed.url for feed in feeds]), (arguments.links, links)):
        if file is not None:
            file.write_text("".join(f"{line}\n" for line in lines))
    if arguments.oracle:
        print(json.dumps(asdict(oracle(feeds)), indent=1))
        return
    pages = [Resource(compressed=page, media_type="text/html; charset=utf-8") for page in compressed_pages()]
    find = _finder(_resources(feeds), pages)
    print(json.dumps({"hosts": hosts, "feeds": len(feeds), "links": len(links)}), flush=True)
    asyncio.run(serve(sockets, find, latency=arguments.latency))


if __name__ == "__main__":
    main()
