"""Conditions of `reprocess --where`: what each chooses, and what is refused."""

from dataclasses import replace

import pytest

from pipeline.errors import UsageError
from pipeline.model import Document, Published, Sighting, Stamps, TextSource
from pipeline.reprocessing.where import read_where

NOW = 1_790_000_000.0  # 2026-09-21T14:13:20Z
ENGLISH = Stamps(extractor="x-2 rules-1", language="lid-2", model="en-3.8.0", rules=2)
FEED = "https://news.example/feed?a=b"


def stamps_now(language: str | None) -> Stamps:
    return replace(ENGLISH, model={"en": "en-3.8.0", "fr": "fr-3.8.0"}.get(language or ""))


DOCUMENT = Document(
    id="1",
    version=3,
    revision=2,
    url="https://news.example/a",
    title="A title",
    text="A text.",
    authors=(),
    tags=(),
    language="en",
    outlet="news.example",
    outlet_name="The News",
    published=Published(at=NOW - 86_400, source="meta", precision="second"),
    first_seen_at=NOW,
    text_source=TextSource.PAGE,
    partial=None,
    entities=(),
    fingerprint=(),
    sightings=(Sighting(feed=FEED, seen_at=NOW),),
    stamps=ENGLISH,
)


def is_chosen(written: str, document: Document = DOCUMENT) -> bool:
    (condition,) = read_where([written], now=NOW + 60, stamps=stamps_now)
    return condition.holds(document)


@pytest.mark.parametrize(
    "written",
    [
        "language=en",
        "language=EN",
        "language!=fr",
        " outlet = news.example ",
        "text_source=page",
        "partial=none",
        "reason=none",
        "partial!=blocked",
        "extractor=x-2 rules-1",
        "extractor!=x-1 rules-1",
        "extractor=current",
        "detector=lid-2",
        "model=current",
        "model!=none",
        "rules=2",
        "rules<3",
        "rules>=2",
        "rules=current",
        "stamps=current",
        f"feed={FEED}",
        "feed!=https://other.example/feed",
        "first_seen=2026-09-21",
        "first_seen>=2026-09",
        "first_seen<=2026",
        "first_seen<2027",
        "first_seen!=2025",
        "first_seen>=7d",
        "first_seen>24h",
        "published<2026-09-21",
        "published>2026-09-19",
        "published!=none",
    ],
)
def test_a_condition_that_holds_chooses(written: str) -> None:
    assert is_chosen(written)
    opposite = {"=": "!=", "!=": "=", "<": ">=", ">=": "<", "<=": ">", ">": "<="}
    sign = next(sign for sign in ("!=", "<=", ">=", "<", ">", "=") if sign in written)
    assert not is_chosen(written.replace(sign, opposite[sign], 1))


def test_each_language_has_its_own_current_model() -> None:
    french = replace(DOCUMENT, language="fr", stamps=replace(ENGLISH, model="fr-3.8.0"))
    german = replace(DOCUMENT, language="de", stamps=replace(ENGLISH, model=None))
    old = replace(french, stamps=replace(ENGLISH, model="fr-3.7.0"))
    assert [is_chosen("model!=current", each) for each in (french, german, old)] == [False, False, True]
    assert [is_chosen("stamps!=current", each) for each in (french, german, old)] == [False, False, True]


def test_an_article_without_a_date_is_before_and_after_nothing() -> None:
    dateless = replace(DOCUMENT, published=None)
    asked = ("published=none", "published<2026", "published>=1990", "published!=2026")
    assert [is_chosen(each, dateless) for each in asked] == [True, False, False, False]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", "write a key, a sign and a value"),
        ("language", "write a key, a sign and a value"),
        ("language=", "write a key, a sign and a value"),
        ("language~en", "write a key, a sign and a value"),
        ("langauge=en", "did you mean language"),
        ("zzz=1", "the keys are extractor, detector, model, rules, stamps, language"),
        ("language<en", "language takes = and !="),
        ("extractor<x-2", "extractor takes = and !="),
        ("rules=two", "rules takes a number, or current"),
        ("stamps=x-2", "stamps takes current alone"),
        ("language!=english", "language is a code of two letters, as in en or fr, or none"),
        ("partial=paywall", "there is none, robots, blocked"),
        ("reason=enrich-crashed", "wireroom quarantine replay --cause enrich-crashed"),
        ("reason=duplicate", "has no document"),
        ("first_seen>=yesterday", "write 2026-01-31"),
        ("first_seen=7d", "write first_seen>=7d"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line(written: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_where([written], now=NOW, stamps=stamps_now)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
