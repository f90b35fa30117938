"""The tables of the ledger: what was asked and what it brought, by day; and what was watched when.

A day is UTC, counted from 1970-01-01. No foreign keys: the ledger outlives the feeds that it tells of.
"""

from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Double, Index, Integer, LargeBinary, Table, Text

from pipeline.store.tables import SERIAL, metadata

FEED_COUNTERS = (
    "polls",
    "failed",
    "not_modified",  # 304
    "unchanged",  # 200 with the body that was there before
    "gaps",
    "gaps_untold",  # of a document with one entry, or after one or a very long one: nobody can tell
    "entries",  # that the feed had not shown before
    "edited",
    "bytes",
)
HOST_COUNTERS = (
    "feed",
    "page",
    "robots",
    "conditional",
    "bytes",
    "not_modified",  # 304
    "limited",  # 429
    "unavailable",  # 503
    "hints",  # pauses that the host asked for, counted when the next request shows whether they were kept
    "hints_kept",
)

# What polls brought, a feed and a day.
feed_days = Table(
    "feed_days",
    metadata,
    Column("feed_id", Integer, primary_key=True, autoincrement=False),
    Column("day", Integer, primary_key=True, autoincrement=False),
    *(Column(name, BigInteger, nullable=False, server_default="0") for name in FEED_COUNTERS),
    Column("down_s", Double, nullable=False, server_default="0"),
    Index(None, "day"),
)

# What the next poll of a feed is compared with: its entries, and until when the publisher wants no poll.
feed_marks = Table(
    "feed_marks",
    metadata,
    Column("feed_id", Integer, primary_key=True, autoincrement=False),
    Column("shown", LargeBinary),
    Column("shown_entries", Integer),
    Column("hint_until", Double),
)

# Which feeds were watched when, and under which tags: the sampling frame of a study. Never trimmed.
feed_changes = Table(
    "feed_changes",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("at", Double, nullable=False),
    Column("feed_id", Integer, nullable=False),
    Column("url", Text, nullable=False),
    Column("change", Text, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("kind", Text),  # see feeds.kind
    Index(None, "feed_id"),
)

# The politeness ledger: what a host was asked on a day, and how.
host_days = Table(
    "host_days",
    metadata,
    Column("host", Text, primary_key=True),
    Column("day", Integer, primary_key=True, autoincrement=False),
    *(Column(name, BigInteger, nullable=False, server_default="0") for name in HOST_COUNTERS),
    Column("shortest_gap_s", Double),
    Column("delay_s", Double),
    Index(None, "day"),
)

# When the last request to a host had ended, and until when a 429 or 503 asked for silence.
host_marks = Table(
    "host_marks",
    metadata,
    Column("host", Text, primary_key=True),
    Column("ended_at", Double, nullable=False),
    Column("hint_until", Double),
)

LEDGER = (feed_changes, feed_days, feed_marks, host_days, host_marks)


def nothing(table: Table) -> dict[str, Any]:
    """Give a row of counters at nought."""
    return {column.name: None if column.nullable else 0 for column in table.columns}
