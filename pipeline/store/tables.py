"""The tables. Times are seconds since the epoch, UTC, by the store's own clock."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
    func,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

LIVE, BUILDING, KEPT = "live", "building", "kept"
"""States of a generation: the one that is searched, one on its way, and earlier ones to go back to."""

SERIAL = BigInteger().with_variant(Integer, "sqlite")
"""Row numbers of what grows without end; SQLite counts by itself only in INTEGER PRIMARY KEY."""

feeds = Table(
    "feeds",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("url", Text, nullable=False, unique=True),
    Column("host", Text, nullable=False),
    Column("site", Text),
    Column("title", Text, nullable=False, server_default=""),
    Column("language", Text),
    Column("tags", JSON, nullable=False),
    Column("state", Text, nullable=False),
    Column("added_at", Double, nullable=False),
    Column("state_since", Double, nullable=False),
    Column("kind", Text),  # what its newest document is, see FeedKind; NULL: not known yet
    Column("etag", Text),
    Column("last_modified", Text),
    Column("body_hash", Text),
    Column("validators_from", Text),  # the address that gave them; no other is shown them
    # Where a redirect led that another turn follows; NULL: nowhere.
    Column("next_url", Text),
    Column("hops", Integer, nullable=False, server_default="0"),
    Column("hop_was_temporary", Boolean, nullable=False, server_default=false()),
    Column("round", JSON(none_as_null=True)),  # of an index of sitemaps: how far its poll has come
    # The address that permanent redirects led to the last times, and since when.
    Column("moving_to", Text),
    Column("moving_seen", Integer, nullable=False, server_default="0"),
    Column("moving_since", Double),
    Column("next_poll_at", Double, nullable=False),
    Column("interval_s", Double, nullable=False),
    Column("min_interval_s", Double),
    Column("max_interval_s", Double),
    Column("rhythm", JSON(none_as_null=True)),  # decayed counts, see pipeline/feeds/rhythm.py
    Column("hints", JSON(none_as_null=True)),  # what its newest document and answer ask of readers
    Column("not_before", Double),  # until when its publisher asked to be left alone
    Column("forced", Boolean, nullable=False, server_default=false()),  # to be asked even so, once
    Column("why", Text, nullable=False, server_default=""),
    Column("failures", Double, nullable=False, server_default="0"),
    Column("failing_since", Double),
    Column("last_polled_at", Double),
    Column("last_status", Integer),
    Column("last_success_at", Double),
    Column("last_error", Text),
    Column("last_error_detail", Text),
    # Of the newest document that parsed: every entry is a sighting, a repeat inside the feed, or has no link.
    Column("entries", Integer, nullable=False, server_default="0"),
    Column("entries_repeated", Integer, nullable=False, server_default="0"),
    Column("entries_without_link", Integer, nullable=False, server_default="0"),
    # Pairs of name and value that requests for this feed carry, if they go to this origin: secrets, which
    # nothing shows. The origin stays when the feed's address is rewritten.
    Column("headers", JSON(none_as_null=True)),
    Column("headers_origin", Text),
    Column("lease_owner", Text),
    Column("lease_until", Double),
    Index(None, "state", "next_poll_at"),
)

hosts = Table(
    "hosts",
    metadata,
    Column("host", Text, primary_key=True),
    Column("next_request_at", Double, nullable=False, server_default="0"),
    Column("robots_status", Integer),
    Column("robots_body", LargeBinary),
    Column("robots_fetched_at", Double),
    Column("crawl_delay_s", Double),
    Column("lease_owner", Text),
    Column("lease_until", Double),
)

# The sitemaps that a feed which is an index of them lists: each is asked for itself, see feeds/children.py.
feed_sitemaps = Table(
    "feed_sitemaps",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("feed_id", Integer, nullable=False),
    Column("url", Text, nullable=False),
    Column("parent_id", SERIAL),  # the index in the index that lists it; NULL: the feed's own
    Column("depth", Integer, nullable=False),
    Column("changed_at", Double),
    Column("read_changed_at", Double),
    Column("read_at", Double),
    Column("asked_at", Double),
    Column("brought_at", Double),
    Column("not_before", Double),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("last_error", Text),
    Column("etag", Text),
    Column("last_modified", Text),
    Column("body_hash", Text),
    Column("validators_from", Text),
    Column("shown", LargeBinary),
    Column("shown_entries", Integer, nullable=False, server_default="0"),
    UniqueConstraint("feed_id", "url"),
)

# Addresses that were rewritten after permanent redirects, so that a person can take it back.
feed_moves = Table(
    "feed_moves",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("feed_id", Integer, nullable=False),
    Column("at", Double, nullable=False),
    Column("old_url", Text, nullable=False),
    Column("new_url", Text, nullable=False),
    Column("undone_at", Double),
    Index(None, "feed_id"),
)

articles = Table(
    "articles",
    metadata,
    Column("id", Text, primary_key=True),
    Column("url", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("state", Text, nullable=False),
    # What is to be done next and from when on; NULL: nothing. A re-run leaves the state as it is.
    Column("stage", Text),
    Column("due_at", Double),
    Column("lease_owner", Text),
    Column("lease_until", Double),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("touched", Boolean, nullable=False, server_default=false()),
    Column("refetch_at", Double),
    Column("refetches", Integer, nullable=False, server_default="0"),
    Column("waits", Integer, nullable=False, server_default="0"),
    Column("waits_for", Text),
    Column("next_url", Text),
    Column("hops", Integer, nullable=False, server_default="0"),
    # Enrich reads it again for `reprocess`: what is new is no edit of its publisher.
    Column("rerun", Boolean, nullable=False, server_default=false()),
    Column("reason", Text),
    Column("detail", Text),
    Column("partial", Text),
    Column("duplicate_of", Text),
    Column("revision", Integer, nullable=False, server_default="0"),
    Column("version", Integer, nullable=False, server_default="0"),
    Column("news_at", Double, nullable=False),
    # In whose order it is claimed: `news_at`, older by its place among all that its feed showed at once.
    # NULL: `news_at` itself.
    Column("fair_at", Double),
    # When WIREROOM_KEEP_TEXT took its words; NULL: they are there.
    Column("text_dropped_at", Double),
    # MinHash of the text of a removed article, from which no word can be read: its other addresses, which
    # come later, are known by it. NULL: not removed, or without a text.
    Column("removed_fingerprint", JSON(none_as_null=True)),
    Column("first_seen_at", Double, nullable=False),
    Column("month", Text, nullable=False),
    Column("indexed_at", Double),
    # The feed that showed it first; NULL: found before this was written down, by a feed that nobody knows.
    Column("found_by", Integer),
    Index(None, "found_by", "first_seen_at"),
    Index(None, "stage", "attempts", "news_at"),
    Index(None, "host", "stage", "due_at"),
    Index(None, "state"),
    Index(None, "indexed_at", "id"),
)

urls = Table(
    "urls",
    metadata,
    Column("url_key", Text, primary_key=True),
    Column("article_id", Text, ForeignKey("articles.id"), nullable=False),
    Column("how", Text, nullable=False),
    Column("rules", Integer, nullable=False),
    Index(None, "article_id"),
)

sightings = Table(
    "sightings",
    metadata,
    # No foreign key: removing a feed keeps its articles and what it said of them.
    Column("feed_id", Integer, primary_key=True),
    Column("article_id", Text, ForeignKey("articles.id"), primary_key=True),
    Column("guid", Text),
    Column("entry", LargeBinary, nullable=False),
    Column("entry_hash", Text, nullable=False),
    Column("feed_url", Text, nullable=False),
    Column("published_at", Double),
    # What tells an edit from a feed that flaps; see feeds/edits.py.
    Column("earlier", Text, nullable=False, server_default=""),
    Column("edits", Integer, nullable=False, server_default="0"),
    Column("updated_at", Double),
    Column("seen_at", Double, nullable=False),
    Index(None, "article_id"),
    Index(None, "feed_id", "guid"),
)

pages = Table(
    "pages",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("article_id", Text, ForeignKey("articles.id"), nullable=False),
    Column("url", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("file", Text, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("length", Integer, nullable=False),
    Column("digest", Text, nullable=False),
    Column("fetched_at", Double, nullable=False),
    Index(None, "article_id"),
)

documents = Table(
    "documents",
    metadata,
    Column("article_id", Text, ForeignKey("articles.id"), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Column("text_length", Integer),  # characters; NULL: written before this was
    Column("extractor", Text, nullable=False),
    Column("model", Text),
    Column("rules", Integer, nullable=False),
)

generations = Table(
    "generations",
    metadata,
    Column("name", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("mapping", Integer),  # the version of the fields that it was made with
    # Who builds it or brings it up to date, until when, and until when index claims nothing for its sake.
    Column("owner", Text),
    Column("owned_until", Double),
    Column("paused_until", Double),
    Column("progress", JSON),
    Column("proof", JSON),
)

projections = Table(
    "projections",
    metadata,
    Column("generation", Text, ForeignKey("generations.name"), primary_key=True),
    Column("article_id", Text, ForeignKey("articles.id"), primary_key=True),
    Column("version", Integer, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("at", Double, nullable=False),
    Column("article_id", Text),
    Column("feed_id", Integer),
    Column("stage", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("slug", Text),
    Column("detail", Text),
    Index(None, "article_id"),
    Index(None, "feed_id"),
    Index(None, "at"),
)

cursors = Table(
    "cursors",
    metadata,
    Column("name", Text, primary_key=True),
    Column("search", Text, nullable=False),
    Column("query", Text, nullable=False),
    Column("read_at", Double, nullable=False),
    Column("read_id", Text, nullable=False),
    Column("given", LargeBinary, nullable=False),
    Column("saves", Integer, nullable=False),
    Column("saved_at", Double, nullable=False),
)

# The newest events that are in the index's data stream; see shipping.py.
shipped_events = Table(
    "shipped_events",
    metadata,
    # With the time: SQLite gives numbers again when all events were trimmed.
    Column("event_id", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Double, primary_key=True),
    Index(None, "at"),
)

# The one run of `reprocess`, under way or the last; and its articles, each with what came of it.
reprocessing = Table(
    "reprocessing",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("conditions", JSON, nullable=False),
    Column("rate", Double),  # articles a second at most
    Column("begun_at", Double, nullable=False),
    Column("next_at", Double, nullable=False),  # by its rate
)

reruns = Table(
    "reruns",
    metadata,
    Column("article_id", Text, ForeignKey("articles.id"), primary_key=True),
    Column("outcome", Text),  # NULL: it waits, or is under way
    Column("at", Double),
    Column("slug", Text),
    Column("changes", JSON(none_as_null=True)),
)

Index(
    "ix_reruns_waiting",
    reruns.c.article_id,
    sqlite_where=reruns.c.outcome.is_(None),
    postgresql_where=reruns.c.outcome.is_(None),
)

# What waits, and since or until when: of a million articles most rest.
Index(
    "ix_articles_due",
    articles.c.stage,
    articles.c.due_at,
    articles.c.state,
    sqlite_where=articles.c.stage.is_not(None),
    postgresql_where=articles.c.stage.is_not(None),
)

# The order of claims: `fair_place` in claims.py.
Index(
    "ix_articles_fair",
    articles.c.stage,
    articles.c.attempts,
    func.coalesce(articles.c.fair_at, articles.c.news_at),
    sqlite_where=articles.c.stage.is_not(None),
    postgresql_where=articles.c.stage.is_not(None),
)

# Each tick asks which rows are held; few are.
for _table in (feeds, hosts, articles):
    Index(
        f"ix_{_table.name}_held",
        _table.c.lease_owner,
        sqlite_where=_table.c.lease_owner.is_not(None),
        postgresql_where=_table.c.lease_owner.is_not(None),
    )

Index(
    "ix_generations_one_live",
    generations.c.state,
    unique=True,
    sqlite_where=generations.c.state == LIVE,
    postgresql_where=generations.c.state == LIVE,
)
