"""The sample news web's articles as documents, and a day of events, for dashboards to be computed of."""

import re
from dataclasses import replace
from importlib.resources import files

from pipeline.demo.content import Article, Outlet, read_outlets
from pipeline.identity import article_id
from pipeline.model import Document, Entity, Label, PipelineEvent, Published, Sighting, Stamps, TextSource
from pipeline.outcomes import Cause, FetchSlug, Partial, Reason

NOW = 1_764_000_000.0
HOUR_S = 3_600.0

# Good enough to count: no model is loaded for it.
PERSON = re.compile(r"\b[A-Z][a-zäöüéè]+ [A-Z][a-zäöüéè]+\b")
PLACE = re.compile(r"\b(?:in|at|à|de) ([A-Z][a-zäöüéè]{3,})\b")


def sample_documents() -> list[Document]:
    """Make a document of every article of the sample; one has no page, one no date."""
    outlets = read_outlets(files("seeds") / "sample")
    made = [_document(outlet, article) for outlet in outlets for article in outlet.articles]
    made[0] = replace(made[0], partial=Partial.BLOCKED, text_source=TextSource.FEED_SUMMARY)
    made[1] = replace(made[1], published=None)
    return made


def _document(outlet: Outlet, article: Article) -> Document:
    url = f"https://{outlet.slug}.example{article.path}"
    first_seen_at = NOW - article.hours_ago * HOUR_S
    feed = f"https://{outlet.slug}.example/feed.xml"
    return Document(
        id=article_id(url),
        version=1,
        revision=1,
        url=url,
        title=article.wording.title,
        text=article.wording.text,
        authors=article.authors,
        tags=article.tags,
        language=article.language,
        outlet=f"{outlet.slug}.example",
        outlet_name=outlet.name,
        published=Published(at=first_seen_at - 600, source="feed", precision="second"),
        first_seen_at=first_seen_at,
        text_source=TextSource.PAGE,
        partial=None,
        entities=tuple(_entities(outlet, article)),
        fingerprint=(),
        sightings=(Sighting(feed=feed, seen_at=first_seen_at),),
        stamps=Stamps(extractor="test", language="test", model=None, rules=1),
    )


def _entities(outlet: Outlet, article: Article) -> list[Entity]:
    text = article.wording.text
    found = [(Label.PERSON, name) for name in sorted(set(PERSON.findall(text)))]
    found += [(Label.PLACE, name) for name in sorted(set(PLACE.findall(text)))]
    found += [(Label.ORGANIZATION, outlet.name)]
    return [
        Entity(label=label, name=name, key=name.lower(), count=1, first_offset=max(0, text.find(name)))
        for label, name in found
    ]


def sample_events() -> list[PipelineEvent]:
    """Tell a day of every document, and of what may befall an article or a poll."""
    told = [each for document in sample_documents() for each in _life(document)]
    lost, feed = sample_documents()[0], "https://broken.example/feed.xml"
    told += [
        _event(lost, "fetch", "no-page", slug=Partial.BLOCKED),
        _event(lost, "enrich", "dropped", slug=Reason.DUPLICATE),
        _event(lost, "enrich", "quarantined", slug=Cause.ENRICH_CRASHED),
        _event(lost, "enrich", "page-missing"),
        _event(None, "poll", "failed", slug=FetchSlug.DNS, feed=feed),
        _event(None, "poll", "failed", slug="http-503", feed=feed),
        _event(None, "poll", "polled", feed=lost.sightings[0].feed),
        _event(None, "poll", "unchanged", feed=lost.sightings[0].feed),
    ]
    return [replace(each, id=number) for number, each in enumerate(told, 1)]


def _life(document: Document) -> list[PipelineEvent]:
    found = _event(document, "poll", "found", feed=document.sightings[0].feed)
    steps = (("fetch", "fetched"), ("enrich", "enriched"), ("index", "indexed"))
    return [found, *(_event(document, stage, outcome) for stage, outcome in steps)]


def _event(
    document: Document | None, stage: str, outcome: str, *, slug: str | None = None, feed: str | None = None
) -> PipelineEvent:
    at = document.first_seen_at + 30 if document else NOW - HOUR_S
    return PipelineEvent(
        id=0,
        at=at,
        stage=stage,
        outcome=outcome,
        slug=slug,
        detail=None,
        article_id=document.id if document else None,
        url=document.url if document else None,
        host=document.outlet if document else None,
        feed=feed,
        news_at=document.first_seen_at - 600 if document else None,
        first_seen_at=document.first_seen_at if document else None,
        indexed_at=at if document else None,
    )
