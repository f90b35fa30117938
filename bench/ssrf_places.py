"""The places where a URL may come from, each with its way to put a target there: for `bench.ssrf`."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit
from xml.sax.saxutils import escape, quoteattr

from bench.ssrf_targets import WEB, Target
from bench.ssrf_trial import RSS, Trial, feed, printable
from pipeline.model import Stage
from pipeline.services import open_services
from pipeline.settings import read_settings
from pipeline.store import subscriptions
from tests.stages.loopback import open_site, redirect, whole

PAGE = b"<!doctype html><title>Harbour</title><p>" + b"The harbour was dredged in spring. " * 20
TRIED_A_PAGE = 12  # candidates of one page that `add` looks at


def feed_urls(trial: Trial) -> int:
    """Follow the targets as feeds."""
    trial.poll([each.url for each in trial.targets])
    return len(trial.targets)


def feed_redirects(trial: Trial) -> int:
    """Follow feeds that redirect to the targets, for now and for good."""
    trial.poll(
        [
            trial.serve("/feed", redirect(header_of(each.url), status=302 if number % 2 else 301))
            for number, each in enumerate(trial.targets)
        ]
    )
    return len(trial.targets)


def feed_names(trial: Trial) -> int:
    """Follow feeds whose names stand for the targets' addresses, alone or beside a public one."""
    urls = [_named(trial, each, mixed=number % 2 == 1) for number, each in enumerate(trial.targets)]
    trial.poll(urls)
    return len(urls)


def feed_rebinding(trial: Trial) -> int:
    """Follow feeds whose names are public at the first poll and private at the second."""
    urls = [f"{_rebinding(trial, each)}/moving" for each in trial.targets]
    trial.site.answers["/moving"] = whole(feed([]), kind=RSS)
    trial.poll(urls)
    subscriptions.poll_feeds(trial.services.store, urls)
    trial.poll([])
    return _asked_twice(trial, urls)


def entry_links(trial: Trial) -> int:
    """List the targets as links, ids, comments, enclosures and media of entries, and fetch the pages."""
    trial.fetch([each.url for each in trial.targets])
    return len(trial.targets)


def entry_redirects(trial: Trial) -> int:
    """Fetch pages that redirect to the targets."""
    trial.fetch([trial.serve("/page", redirect(header_of(each.url))) for each in trial.targets])
    return len(trial.targets)


def entry_names(trial: Trial) -> int:
    """Fetch pages whose names stand for the targets' addresses, alone or beside a public one."""
    links = [_named(trial, each, mixed=number % 2 == 1) for number, each in enumerate(trial.targets)]
    trial.fetch(links)
    return len(links)


def entry_rebinding(trial: Trial) -> int:
    """Fetch pages of the hosts of their feeds, whose names were public when the feeds were polled."""
    urls = []
    for number, each in enumerate(trial.targets):
        origin = _rebinding(trial, each)
        trial.site.answers[f"/moved/{number}"] = whole(feed([f"{origin}/page"]), kind=RSS)
        urls.append(f"{origin}/moved/{number}")
    trial.poll(urls)
    trial.work(Stage.FETCH)
    return _asked_twice(trial, urls)


def robots_redirects(trial: Trial) -> int:
    """Fetch pages of hosts whose robots.txt redirects to the targets."""
    for each in trial.targets:
        trial.site.answers["/robots.txt"] = redirect(header_of(each.url))
        trial.fetch([f"{trial.host()}/page"])
    del trial.site.answers["/robots.txt"]
    return len(trial.targets)


def added(trial: Trial) -> int:
    """Add the targets by `wireroom add`."""
    trial.command("add", "--", *(each.url for each in trial.targets if "\x00" not in each.url))
    return len(trial.targets)


def candidates(trial: Trial) -> int:
    """Add sites that declare the targets as their feeds, as links, anchors and by a base address."""
    pages = []
    for first in range(0, len(trial.targets), TRIED_A_PAGE):
        urls = [quoteattr(printable(each.url)) for each in trial.targets[first : first + TRIED_A_PAGE]]
        links = "".join(f"<link rel=alternate type={RSS} href={url}><a href={url}>RSS</a>" for url in urls)
        pages.append(trial.serve("/", whole(f"<!doctype html><base href={urls[0]}>{links}".encode())))
    trial.command("add", "--all", *pages)
    return len(trial.targets)


def imported(trial: Trial) -> int:
    """Import the targets as OPML and as a plain list, and poll what was imported."""
    outlines = "".join(
        f"<outline type='rss' text='x' xmlUrl={quoteattr(printable(each.url) + '?opml')} "
        f"htmlUrl={quoteattr(printable(each.url))}/>"
        for each in trial.targets
    )
    lists = {
        "feeds.opml": f"<opml version='2.0'><body>{outlines}</body></opml>",
        "feeds.txt": "\n".join(printable(each.url).strip() + "?list" for each in trial.targets),
    }
    for name, text in lists.items():
        path = Path(trial.environ["WIREROOM_HOME"]) / name
        path.write_text(text)
        trial.command("feeds", "import", str(path))
    trial.poll([])
    return len(trial.targets) * 2


def documents(trial: Trial) -> int:
    """Poll feeds and fetch pages that name the targets wherever a document may refer to another."""
    feeds, pages = [], []
    for each in trial.targets:
        url, quoted = escape(printable(each.url)), quoteattr(printable(each.url))
        feeds += [
            trial.serve("/feed", whole(body.encode(), kind=kind)) for kind, body in _referring(url, quoted)
        ]
        pages.append(trial.serve("/page", whole(_referring_page(quoted).encode(), headers=_links(each.url))))
    trial.poll(feeds)
    trial.fetch(pages)
    return len(feeds) + len(pages)


def _referring(url: str, quoted: str) -> Iterator[tuple[str, str]]:
    yield RSS, f"<!DOCTYPE rss SYSTEM {quoted}><rss version='2.0'><channel><title>x</title></channel></rss>"
    yield (
        RSS,
        (
            f"<!DOCTYPE rss [<!ENTITY e SYSTEM {quoted}><!ENTITY % p SYSTEM {quoted}>%p;]>"
            f"<rss version='2.0'><channel><title>&e;</title></channel></rss>"
        ),
    )
    yield (
        RSS,
        (
            f"<?xml-stylesheet href={quoted}?><rss version='2.0' xmlns:a='http://www.w3.org/2005/Atom' "
            f"xmlns:xi='http://www.w3.org/2001/XInclude'><channel><title>x</title><link>{url}</link>"
            f"<a:link rel='self' href={quoted}/><a:link rel='hub' href={quoted}/>"
            f"<a:link rel='next' href={quoted}/><cloud domain='x' path={quoted}/>"
            f"<image><url>{url}</url></image><icon>{url}</icon>"
            f"<xi:include href={quoted}/></channel></rss>"
        ),
    )
    yield (
        "application/xml",
        (
            f"<sitemapindex xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'><sitemap><loc>{url}</loc></sitemap>"
            "</sitemapindex>"
        ),
    )
    yield (
        "application/feed+json",
        json.dumps(
            {
                "version": "https://jsonfeed.org/version/1.1",
                "title": "x",
                "items": [],
                **dict.fromkeys(("feed_url", "next_url", "icon", "home_page_url"), url),
                "hubs": [{"type": "WebSub", "url": url}],
            }
        ),
    )


def _referring_page(quoted: str) -> str:
    rels = "".join(
        f"<link rel='{rel}' href={quoted}>" for rel in ("canonical", "amphtml", "icon", "next", "stylesheet")
    )
    return (
        f"<!doctype html><title>x</title>{rels}<meta http-equiv=refresh content='0; url='{quoted}>"
        f"<meta property='og:image' content={quoted}><iframe src={quoted}></iframe><img src={quoted}>"
        f"<script src={quoted}></script><p>{PAGE.decode()}"
    )


def _links(url: str) -> dict[str, str]:
    return {"Link": f'<{header_of(url)}>; rel="canonical"', "Refresh": f"0; url={header_of(url)}"}


def through_a_proxy(trial: Trial) -> int:
    """Poll the targets and their names with a proxy set: it must not be asked for them."""
    urls = [each.url.rstrip("/") + "/proxied" for each in trial.targets]
    urls += [_named(trial, each, mixed=number % 2 == 1) for number, each in enumerate(trial.targets)]
    with open_site() as proxy:
        trial.watch.allowed |= {(WEB, int(proxy.origin.rpartition(":")[2]))}
        settings = read_settings({**trial.environ, "WIREROOM_PROXY": proxy.origin})
        with closing(open_services(settings)) as services:
            replace(trial, services=services).poll(urls)
        for asked in proxy.requests:
            is_web = (urlsplit(asked).hostname or "").endswith(".allowed.test")  # a feed of a place before
            if not is_web and not asked.startswith(trial.site.origin):  # some disguises lead to the web
                trial.watch.connections[f"{trial.watch.place}: the proxy was asked for {asked}"] += 1
    return len(urls)


def header_of(url: str) -> str:
    """Write a URL as a header can hold it, in the bytes of UTF-8."""
    return url.replace("\n", "").replace("\x00", "").encode().decode("latin-1")


def _named(trial: Trial, target: Target, *, mixed: bool) -> str:
    trial.number += 1
    name = f"n{trial.number}.private.test"
    trial.names.plain[name] = (WEB, target.address) if mixed else (target.address,)
    return f"http://{name}:{target.port}/feed"


def _rebinding(trial: Trial, target: Target) -> str:
    trial.number += 1
    name = f"n{trial.number}.rebinding.test"
    trial.names.rebinding[name] = target.address
    return f"http://{name}:{trial.port}"


def _asked_twice(trial: Trial, urls: Sequence[str]) -> int:
    """Count the names that had the time to change."""
    return sum(trial.names.asked[urlsplit(url).hostname or ""] > 1 for url in urls)


PLACES: Mapping[str, Callable[[Trial], int]] = {
    "feed": feed_urls,
    "feed, redirected": feed_redirects,
    "feed, by name": feed_names,
    "feed, rebinding": feed_rebinding,
    "entry's link, enclosure, media": entry_links,
    "page, redirected": entry_redirects,
    "page, by name": entry_names,
    "page, rebinding": entry_rebinding,
    "robots.txt, redirected": robots_redirects,
    "`wireroom add`": added,
    "feeds that a site declares": candidates,
    "`feeds import`, OPML and list": imported,
    "references in feeds and pages": documents,
    "with a proxy": through_a_proxy,
}
