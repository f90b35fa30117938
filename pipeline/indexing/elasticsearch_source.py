"""Turn a document into what Elasticsearch keeps of it: a pure function, whose result the proof hashes.

The fields are those of `elasticsearch_mapping.json`. `event.ingested`, when it was written, is no part of it.
"""

import functools
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

import orjson

from pipeline.identity import outlet_of
from pipeline.model import Document, Entity, Label, Published
from pipeline.search.words import clean

ECS_VERSION = "8.17"
DATASET = "wireroom.articles"
MOST_MENTIONS = 200  # each is a hidden Lucene document of its own
EARLIEST_SEEN, LATEST_SEEN = 0.0, 9_223_372_036.0  # date_nanos: 1970 to 2262-04-11
EARLIEST_PUBLISHED, LATEST_PUBLISHED = -62_135_596_800.0, 253_402_300_800.0  # the years 1 to 9999

Source = dict[str, Any]


@functools.cache
def mapping_file() -> Mapping[str, Any]:
    """Read the mapping: {"version", "settings", "mappings"}; nobody changes what is given."""
    read: Mapping[str, Any] = orjson.loads(
        files("pipeline.indexing").joinpath("elasticsearch_mapping.json").read_bytes()
    )
    return read


@functools.cache
def stemmed_languages() -> frozenset[str]:
    """List the languages that have fields of their own."""
    return frozenset(mapping_file()["mappings"]["properties"]["stemmed"]["properties"])


def source(document: Document) -> Source:
    """Write a document's `_source`; what is unknown or empty is left out.

    Raises ValueError for a time that Elasticsearch cannot hold.
    """
    entities = _by_mentions(document.entities)
    title, body = clean(document.title), clean(document.text)
    written: Source = {
        "@timestamp": _iso(_timestamp(document)),
        "ecs": {"version": ECS_VERSION},
        "event": {
            "id": document.id,
            "kind": "event",
            "dataset": DATASET,
            "created": _iso(_checked(document.first_seen_at, "first seen", EARLIEST_SEEN, LATEST_SEEN)),
        },
        "published": _published(document.published),
        "lag_s": _lag(document),
        "url": _url(document),
        "title": title,
        "body": body,
        "stemmed": _stemmed(document.language, title, body),
        "language": document.language,
        "text_source": document.text_source.value,
        "partial": document.partial,
        "authors": _names(document.authors),
        "tags": _names(document.tags),
        "tag_keys": _names(document.tags),  # folded by its normalizer
        "outlet": {"domain": document.outlet, "name": _name(document.outlet_name)},
        "feed": _feed(document),
        "entities": _entities(entities),
        "mentions": [_mention(entity) for entity in entities[:MOST_MENTIONS]],
        "revision": document.revision,
        "version": document.version,
        "word_count": len(body.split()),
        "stamps": {
            "extractor": document.stamps.extractor,
            "language": document.stamps.language,
            "model": document.stamps.model,
            "rules": document.stamps.rules,
        },
    }
    return {**_without_empty(written), "title": title, "body": body}


def digest(source: Source) -> str:
    """Compute the SHA-256, in hex, of a `_source` with sorted keys, the time of the write left out."""
    event = source.get("event")
    if isinstance(event, dict):  # what somebody else wrote may have anything there
        event = {name: value for name, value in event.items() if name != "ingested"}
    written = orjson.dumps({**source, "event": event}, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(written).hexdigest()


def differences(kept: Source, due: Source) -> tuple[str, ...]:
    """Name the fields in which two `_source`s differ, the time of the write left out."""
    found, wanted = dict(_leaves(kept)), dict(_leaves(due))
    names = sorted({*found, *wanted} - {"event.ingested"})
    return tuple(name for name in names if found.get(name) != wanted.get(name))


def _leaves(source: Source, above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in source.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{above}{name}.")
        else:
            yield above + name, value


def _timestamp(document: Document) -> float:
    """Choose the time that Kibana sorts by: a publication date is trusted when it says a time of day, and not
    one after the article was first seen."""
    published = document.published
    if published is None or published.precision == "day" or published.at > document.first_seen_at:
        return document.first_seen_at
    return published.at


def _lag(document: Document) -> float | None:
    if document.published is None or document.published.at > document.first_seen_at:
        return None
    return round(document.first_seen_at - document.published.at, 3)


def _published(published: Published | None) -> Source | None:
    if published is None:
        return None
    at = _checked(published.at, "published", EARLIEST_PUBLISHED, LATEST_PUBLISHED)
    return {"at": _iso(at), "source": published.source, "precision": published.precision}


def _url(document: Document) -> Source:
    """Write the address that people click, and its parts where it has any (ECS: url.*)."""
    url = clean(document.url)
    try:
        parts = urlsplit(url)
        return {
            "original": url,
            "domain": parts.hostname,
            "registered_domain": outlet_of(url),
            "path": parts.path,
        }
    except ValueError:
        return {"original": url}


def _feed(document: Document) -> Source:
    feeds = sorted({sighting.feed for sighting in document.sightings})
    return {"url": feeds, "count": len(feeds)}


def _stemmed(language: str | None, title: str, body: str) -> Source | None:
    if language not in stemmed_languages():
        return None
    return {language: {"title": title, "body": body}}


def _by_mentions(entities: Sequence[Entity]) -> Sequence[Entity]:
    return sorted(entities, key=lambda entity: (-entity.count, entity.first_offset))


def _entities(entities: Sequence[Entity]) -> Source:
    """Write names as they are shown and the keys that are counted, most mentioned first."""
    written: Source = {}
    for field in (*Label, None):
        chosen = [entity for entity in entities if field in (entity.label, None)]
        name = "all" if field is None else field.value
        written[name] = _names(entity.name for entity in chosen)
        written[f"{name}_key"] = _unique(clean(entity.key) for entity in chosen)
    return written


def _mention(entity: Entity) -> Source:
    return {
        "text": _name(entity.name),
        "key": clean(entity.key),
        "label": entity.label.value,
        "count": entity.count,
        "first_offset": entity.first_offset,
    }


def _name(name: str) -> str:
    return " ".join(clean(name).split())


def _names(names: Iterable[str]) -> list[str]:
    return _unique(_name(name) for name in names)


def _unique(names: Iterable[str]) -> list[str]:
    return [name for name in dict.fromkeys(names) if name]


def _checked(at: float, what: str, earliest: float, latest: float) -> float:
    if not earliest <= at < latest:
        years = f"{_year(earliest)} to {_year(latest)}"
        raise ValueError(f"{what} is {at:.0f} s after 1970, and the index holds the years {years}")
    return at


def _year(at: float) -> int:
    return datetime.fromtimestamp(at - 1 if at > 0 else at, UTC).year


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


def _without_empty(source: Source) -> Source:
    kept: Source = {}
    for name, value in source.items():
        filled = _without_empty(value) if isinstance(value, dict) else value
        if filled is not None and filled != [] and filled != {} and filled != "":
            kept[name] = filled
    return kept
