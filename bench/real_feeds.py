"""Run the 200 real feeds end to end and account for every entry.

    python -m bench.real_feeds [--feeds 200] [--examples 3] [--production]

With --production on PostgreSQL, Redis and Elasticsearch. Exit 1 when an entry is not accounted for: a link
that no article stands for, an article that still waits, an entry without a link that was not counted; or when
the index does not hold what the store says, by ids and versions.
"""

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from bench.corpus_web import Oracle, corpus_web, oracle, real_feeds
from bench.product import Home, fresh_home
from bench.rebuild import count_differences
from pipeline.settings import read_settings
from tests import servers

RESTING = ("indexed", "dropped", "quarantined")
WAITING = ("found", "fetched", "enriched")


def faults(expected: Oracle, status: Mapping[str, Any], traces: Sequence[Mapping[str, Any]]) -> list[str]:
    """List what does not add up; empty when every entry is accounted for."""
    articles = status["articles"]
    resting = sum(articles[state] for state in RESTING)
    known = {trace["url"] for trace in traces if trace["state"] in RESTING}
    checks = [
        (not expected.astray, f"{len(expected.astray)} links lead off the web: the rewriting is at fault"),
        (articles["total"] == resting, f"total {articles['total']} is not the sum of states, {resting}"),
        (not any(articles[state] for state in WAITING), "articles are still waiting"),
        (
            articles["total"] == len(expected.links),
            f"{articles['total']} articles, {len(expected.links)} links",
        ),
        (known == set(expected.links), f"{len(set(expected.links) - known)} links have no resting article"),
        (
            status["entries_without_link"] == expected.without_link,
            f"{status['entries_without_link']} entries without a link counted, not {expected.without_link}",
        ),
        (
            sum(status["partial"].values()) <= articles["indexed"]
            and sum(status["dropped"].values()) == articles["dropped"]
            and sum(status["quarantined"].values()) == articles["quarantined"],
            "the slugs do not add up to their states",
        ),
    ]
    return [words for holds, words in checks if not holds]


def table(expected: Oracle, status: Mapping[str, Any], examples: Mapping[str, Sequence[str]]) -> str:
    """Lay out the funnel: entries, links, articles by outcome and slug, some examples of each."""
    articles = status["articles"]
    whole = articles["indexed"] - sum(status["partial"].values())
    lines = [
        f"{expected.feeds:6} feeds",
        f"{expected.entries:6} entries, {expected.without_link} of them without a link",
        f"{len(expected.links):6} distinct links, {articles['total']} articles",
        f"{whole:6} indexed whole",
    ]
    for outcome in ("partial", "dropped", "quarantined"):
        for slug, count in sorted(status[outcome].items(), key=lambda item: -item[1]):
            lines.append(f"{count:6} {outcome}: {slug}")
            lines += [f"         {example}" for example in examples.get(f"{outcome}: {slug}", ())]
    return "\n".join(lines)


def examples_of(
    home: Home, status: Mapping[str, Any], traces: Sequence[Mapping[str, Any]], count: int
) -> dict[str, list[str]]:
    """Choose some addresses for every slug, to be looked at."""
    found = defaultdict[str, list[str]](list)
    for trace in traces:
        if trace["state"] != "indexed":
            found[f"{trace['state']}: {trace['reason']}"].append(
                f"{trace['url']}  {trace['steps'][-1]['detail']}"
            )
    for slug in status["partial"]:
        hits = home.search(f"partial:{slug}", size=count)
        found[f"partial: {slug}"] = [
            f"{hit['url']}  {hit['text_source']}  {hit['title'][:60]}" for hit in hits
        ]
    return {slug: lines[:count] for slug, lines in found.items()}


def astray_documents(home: Home) -> list[str]:
    """Compare the ids and versions of the store with those of the index."""
    documents, lost, stale, risen = count_differences(read_settings(home.environ()))
    differ = lost or stale or risen
    return [f"of {documents} documents the index lacks {lost}, {stale} are old, {risen} risen"] * bool(differ)


@contextmanager
def parts(*, production: bool) -> Iterator[Mapping[str, str]]:
    """Give the settings of the parts to run on, with servers as long as the block lasts."""
    if not production:
        yield {}
        return
    with (
        servers.postgresql() as postgresql,
        servers.redis(servers.redis_binary()) as redis,
        servers.elasticsearch(9) as elasticsearch,
    ):
        yield {
            "WIREROOM_STORE_URL": f"postgresql://postgres@{postgresql}/postgres",
            "WIREROOM_BROKER_URL": redis,
            "WIREROOM_INDEX_URL": elasticsearch.url,
        }


def main() -> None:
    """Run, print the table, and exit 1 when something does not add up."""
    parser = argparse.ArgumentParser(prog="python -m bench.real_feeds", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--feeds", type=int, default=200, help="how many of the cached feeds (default: all 200)"
    )
    parser.add_argument("--examples", type=int, default=3, help="addresses shown for each slug (default: 3)")
    parser.add_argument("--production", action="store_true", help="on PostgreSQL, Redis and Elasticsearch")
    arguments = parser.parse_args()
    with (
        parts(production=arguments.production) as settings,
        corpus_web("--feeds", str(arguments.feeds)) as web,
        fresh_home(web.feeds, settings) as home,
    ):
        began = time.monotonic()
        home.up()
        seconds = time.monotonic() - began
        expected = oracle(real_feeds(web.hosts, feeds=arguments.feeds, articles=sys.maxsize))
        status, traces = home.status(), home.traces(expected.links)
        print(table(expected, status, examples_of(home, status, traces, arguments.examples)))
        wrong = faults(expected, status, traces) + astray_documents(home)
    print(f"{seconds:6.0f} s; " + ("; ".join(wrong) or "every entry is accounted for"))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
