"""Which options of `wireroom search` go together: one way of answering at a time, and what each takes."""

from collections.abc import Set

from pipeline.errors import UsageError

ASKED = frozenset({"query", "since", "until", "by", "language", "outlet", "entity", "tag", "tz"})
STANDING = ASKED - {"until", "by"}  # a follower goes by when an article came into the index

# The ways of answering, by the option that chooses each, and the other options that make sense with it. The
# first that is given decides; without any, a page is printed.
WAYS = {
    "as": ASKED,
    "from-manifest": frozenset({"all", "format", "fields", "json"}),
    "follow": STANDING | {"cursor", "json"},
    "all": ASKED | {"sort", "format", "fields", "manifest", "json"},
}
PAGE = ASKED | {"sort", "size", "after", "facets", "significant", "recent", "json"}

NEEDED = {"follow": {"cursor": "--cursor NAME", "json": "--json"}}
OWNERS = {"format": "all", "fields": "all", "manifest": "all", "cursor": "follow"}


def check_options(given: Set[str]) -> str | None:
    """Name the option that chooses how to answer; None for a page. Raises UsageError when one that was given
    does not go with it."""
    way = next((name for name in WAYS if name in given), None)
    taken = PAGE if way is None else WAYS[way] | {way}
    for name in sorted(given - taken):
        raise UsageError(_refusal(name, way))
    lacking = [written for name, written in NEEDED.get(way or "", {}).items() if name not in given]
    if lacking:
        raise UsageError(f"--{way} needs {' and '.join(lacking)}")
    return way


def _refusal(name: str, way: str | None) -> str:
    if way is None:
        return f"--{name} needs --{OWNERS[name]}"
    written = "a query" if name == "query" else f"--{name}"
    return f"{written} does not go with --{way}; leave one of them out"
