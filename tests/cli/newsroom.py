"""A store with articles in it, made by the functions that the stages use."""

from dataclasses import replace
from pathlib import Path

from pipeline.archive.warc import open_archive
from pipeline.identity import article_id, url_key
from pipeline.indexing.index import Tombstone
from pipeline.indexing.tantivy import TantivyGenerations
from pipeline.indexing.tantivy_schema import SCHEMA
from pipeline.model import (
    Document,
    Entity,
    Entry,
    Exchange,
    FeedState,
    Label,
    Published,
    Sighting,
    Stage,
    Stamps,
    TextSource,
)
from pipeline.outcomes import Cause, Partial
from pipeline.store.claims import ArticleClaim, claim_articles, claim_feeds, claim_hosts
from pipeline.store.enriched import record_document, record_quarantine
from pipeline.store.fetched import FetchResult, GotPage, NoPage, record_turn
from pipeline.store.generations import adopt_generation, live_generation
from pipeline.store.indexed import Indexed, record_indexed, record_removed
from pipeline.store.migrations import migrate
from pipeline.store.polled import FoundEntry, Polled, record_poll
from pipeline.store.store import Store, open_store
from pipeline.store.subscriptions import NewFeed, add_feeds

FEED = "https://courier.example/feed.xml"
BRIDGE = "https://courier.example/bridge"
HARBOUR = "https://courier.example/harbour"
OWNER = "elsewhere:1:test:0"
TEXT = "Ada Okafor opened the bridge in Lagos on Monday.\nThe bank paid for it."


def new_store(home: Path) -> Store:
    """Create the store of a home."""
    home.mkdir(exist_ok=True)
    store = open_store(f"sqlite:///{home / 'wireroom.db'}")
    migrate(store)
    return store


def entry(link: str, *, title: str = "The bridge is open", published_at: float | None = None) -> Entry:
    return Entry(
        link=link,
        guid=link,
        title=title,
        summary="What happened at the bridge.",
        content="",
        authors=("Sam Writer",),
        tags=("city",),
        published_text=None,
        published_at=published_at,
        language="en",
    )


def found(each: Entry) -> FoundEntry:
    key = url_key(each.link)
    assert key
    return FoundEntry(entry=each, url_key=key, article_id=article_id(key), refused=None)


def id_of(link: str) -> str:
    return article_id(url_key(link) or "")


def polled(*entries: Entry, **changed: object) -> Polled:
    facts: dict[str, object] = {
        "status": 200,
        "error": None,
        "detail": None,
        "state": FeedState.ACTIVE,
        "wait_s": 900.0,
        "interval_s": 900.0,
        "failures": 0.0,
        "why": "2 new entries",
        "title": "The Harbor Courier",
        "entries": len(entries),
        "found": tuple(found(each) for each in entries),
    }
    return Polled(**{**facts, **changed})  # type: ignore[arg-type]


def poll(store: Store, feed: str, *entries: Entry, **changed: object) -> None:
    """Add a feed, if need be, and poll it once."""
    add_feeds(store, [NewFeed(url=feed)], interval_s=900.0)
    [claim] = [each for each in claim_feeds(store, owner=OWNER, limit=10) if each.url == feed]
    assert record_poll(store, claim, polled(*entries, **changed), host_delay_s=0.0)


def fetch(store: Store, home: Path, *, missing: frozenset[str] = frozenset()) -> None:
    """Fetch every page that is due into the archive; those of `missing` answer 404 and are tried later."""
    archive = open_archive(home / "archive")
    for turn in claim_hosts(store, owner=OWNER, limit=10, pages=10):
        results: list[FetchResult] = []
        for claim in turn.claims:
            if claim.url in missing:
                results.append(NoPage(claim=claim, partial=Partial.GONE, detail="404", retry_in_s=3600.0))
                continue
            position = archive.write(_exchange(claim.url))
            results.append(
                GotPage(
                    claim=claim,
                    url=claim.url,
                    status=200,
                    position=position,
                    fetched_at=1_790_000_000.0,
                    detail="200 text/html",
                )
            )
        record_turn(store, turn, results, delay_s=0.0, robots=None)
    archive.close()


def _exchange(url: str) -> Exchange:
    return Exchange(
        url=url,
        method="GET",
        request_headers=(),
        status=200,
        reason="OK",
        headers=(("Content-Type", "text/html"),),
        body=b"<p>The secret of the bridge</p>" * 20,
        fetched_at=1_790_000_000.0,
        remote_address=None,
    )


def document(claim: ArticleClaim, *, title: str = "The bridge is open") -> Document:
    return Document(
        id=claim.id,
        version=claim.version + 1,
        revision=1,
        url=claim.url,
        title=title,
        text=TEXT,
        authors=("Sam Writer",),
        tags=("city",),
        language="en",
        outlet="courier.example",
        outlet_name="The Harbor Courier",
        published=Published(at=1_790_000_000.0, source="json-ld", precision="second"),
        first_seen_at=claim.first_seen_at,
        text_source=TextSource.FEED_SUMMARY if claim.partial else TextSource.PAGE,
        partial=claim.partial,
        entities=(
            Entity(label=Label.PERSON, name="Ada Okafor", key="ada okafor", count=2, first_offset=0),
            Entity(label=Label.PLACE, name="Lagos", key="lagos", count=1, first_offset=30),
        ),
        fingerprint=(),
        sightings=(Sighting(feed=FEED, seen_at=claim.first_seen_at),),
        stamps=Stamps(extractor="trafilatura 2.3.1", language="lid 1", model="en 3.8.0", rules=1),
    )


def enrich(store: Store, *, title: str = "The bridge is open") -> None:
    """Make a document of every article that is due for one."""
    for claim in claim_articles(store, Stage.ENRICH, owner=OWNER, limit=100):
        written = document(claim, title=title)
        assert record_document(store, claim, written, aliases=(), detail="text from page", retry_in_s=None)


def quarantine(store: Store) -> None:
    """End every article that is due for enrich in quarantine."""
    for claim in claim_articles(store, Stage.ENRICH, owner=OWNER, limit=100):
        record_quarantine(store, claim, Stage.ENRICH, Cause.ENRICH_CRASHED, detail="signal 11, three times")


def index(store: Store, home: Path) -> None:
    """Index every document that is due, and remove what is dropped."""
    generation = live_generation(store) or adopt_generation(store, "g1", instead_of=None, mapping=SCHEMA)
    generations = TantivyGenerations(home / "index")
    writer = generations.open(generation)
    generations.expose(generation)
    claims = claim_articles(store, Stage.INDEX, owner=OWNER, limit=100)
    gone = [claim for claim in claims if claim.state == "dropped"]
    kept = [claim for claim in claims if claim.state != "dropped"]
    writer.put([replace(document(claim), version=claim.version) for claim in kept])
    writer.remove([Tombstone(claim.id, claim.version, claim.first_seen_at) for claim in gone])
    writer.commit()
    writer.close()
    record_indexed(store, generation, [Indexed(claim=claim, version=claim.version) for claim in kept])
    record_removed(store, generation, gone)


def publish(store: Store, home: Path) -> None:
    """Bring two articles all the way: the bridge with its page, the harbour from its feed alone."""
    poll(store, FEED, entry(BRIDGE), entry(HARBOUR), entries=3, entries_without_link=1)
    fetch(store, home, missing=frozenset({HARBOUR}))
    enrich(store)
    index(store, home)
