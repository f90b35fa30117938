"""Try to make Wireroom connect to what only it can reach, from every place where a URL may come from.

Real stages and commands run in this process: poll, fetch, `add`, `feeds import`. One web at 127.0.0.1 is let
through by WIREROOM_ALLOW_ADDRESSES; canaries listen on other loopback addresses and stand for the metadata
address, the broker and the index. An audit hook sees every connection and every name that is asked for: one
to anything but the web is counted, and stopped. Names are answered here (`socket.getaddrinfo` is replaced).

    python -m bench.ssrf                  every 20th target with --every 20
    python -m bench.ssrf --open           without the guard: what the canaries and the hook see then

Ends with 1 when a canary or any other address was connected to, when an allowed address did not pass, or,
with all targets, when there were fewer than 1,000 attempts.
"""

import argparse
import sys
from collections.abc import Iterator

from bench.ssrf_places import PAGE, PLACES
from bench.ssrf_targets import WEB
from bench.ssrf_trial import RSS, Trial, feed, trials
from pipeline.identity import article_id, url_key
from pipeline.model import Stage
from pipeline.store.subscriptions import list_feeds
from pipeline.store.tracing import trace
from tests.stages.loopback import whole

ATTEMPTS = 1_000
SHOWN = 20  # connections that are named


def allowed_ones(trial: Trial) -> Iterator[tuple[str, bool]]:
    """Tell of each way to reach the web whether it passes: as a feed, a page, by `add`."""
    trial.site.answers["/robots.txt"] = whole(b"", status=404)
    trial.site.answers["/good-page"] = whole(PAGE)
    hosts = (WEB, f"[::ffff:{WEB}]", "good.allowed.test", "GOOD2.allowed.test.")
    for host in hosts:
        page = f"http://{host}:{trial.port}/good-page"
        trial.site.answers["/good"] = whole(feed([page]), kind=RSS)
        url = f"http://{host}:{trial.port}/good"
        trial.poll([url])
        trial.work(Stage.FETCH)
        [found] = [each for each in list_feeds(trial.services.store) if each.url == url]
        yield f"feed at {host}", found.last_status == 200 and not found.last_error
        story = trace(trial.services.store, article_id(url_key(page) or ""))
        yield f"page at {host}", story is not None and story.state == "fetched"
        yield f"`add` of {host}", "watched already" in trial.command("add", url)


def attempt(trial: Trial) -> int:
    """Make all attempts, print a line a place, and return how many they were."""
    attempts = 0
    print("| place | attempts | connections |\n|---|---|---|")
    for place, make in PLACES.items():
        trial.watch.place = place
        made = make(trial)
        reached = sum(n for line, n in trial.watch.connections.items() if line.startswith(f"{place}: "))
        print(f"| {place} | {made:,} | {reached:,} |", flush=True)
        attempts += made
    trial.watch.place = "allowed ones"
    return attempts


def main() -> None:
    """Make all attempts, print what they came to."""
    parser = argparse.ArgumentParser(prog="python -m bench.ssrf", description=__doc__.splitlines()[0])
    parser.add_argument("--every", type=int, default=1, help="take every so many-th target (default: all)")
    parser.add_argument("--open", action="store_true", help="without the guard: all that it holds back")
    arguments = parser.parse_args()
    with trials(arguments.every, is_open=arguments.open) as trial:
        trial.watch.on = True
        attempts = attempt(trial)
        passed = dict(allowed_ones(trial))
        trial.watch.on = False
    reached = trial.watch.connections
    print("".join(f"\n{times} × {line}" for line, times in reached.most_common(SHOWN)))
    print(f"{attempts:,} attempts with {len(trial.targets)} targets: {reached.total():,} connections")
    stuck = [what for what, does_pass in passed.items() if not does_pass]
    print(f"{len(passed) - len(stuck)} of {len(passed)} allowed ones passed", *stuck, sep="; ")
    is_short = arguments.every == 1 and attempts < ATTEMPTS
    sys.exit(bool(bool(reached) != arguments.open or stuck or is_short))


if __name__ == "__main__":
    main()
