"""When an article was published: which date is believed, and how much it says."""

from datetime import UTC, datetime

import pytest

from pipeline.extraction.dates import choose_date, read_date
from pipeline.extraction.jsonld import ArticleClaims
from pipeline.extraction.markup import parse
from pipeline.model import Published
from tests.extraction.pages import FRIDAY, entry


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def chosen(html: str = "", *, claimed: str = "", url: str = "", **changed: object) -> Published | None:
    entries = [entry(**changed)] if changed else []
    claims = ArticleClaims(published=claimed)
    return choose_date(parse(f"<p>x{html}"), claims, entries, url=url, now=FRIDAY)


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2024-05-17T10:30:00+02:00", "2024-05-17T08:30:00"),
        ("2024-05-17T10:30:00.123+0200", "2024-05-17T08:30:00"),
        ("2024-05-17T08:30:00Z", "2024-05-17T08:30:00"),
        ("2024-05-17 08:30 UTC", "2024-05-17T08:30:00"),
        ("2024-05-17T08:30", "2024-05-17T08:30:00"),
        ("2024-05-17", "2024-05-17T00:00:00"),
        ("Fri, 17 May 2024 10:30:00 +0200", "2024-05-17T08:30:00"),
    ],
)
def test_dates_are_read_as_utc(written: str, moment: str) -> None:
    read = read_date(written)
    assert read is not None
    assert read.timestamp() == at(moment)


@pytest.mark.parametrize(
    "written", ["", "yesterday", "2024-13-99", "99999999999999999999", "17/05/2024 at noon"]
)
def test_what_is_no_date_is_none(written: str) -> None:
    assert read_date(written) is None


def test_the_feeds_date_is_believed_first() -> None:
    published = chosen(
        claimed="2024-05-16T01:00:00Z", published_at=FRIDAY, published_text="Fri, 17 May 2024 10:30:00 +0200"
    )
    assert published == Published(at=FRIDAY, source="feed", precision="second")


@pytest.mark.parametrize(
    ("html", "source"),
    [
        ('<meta property="article:published_time" content="2024-05-16T09:00:00Z">', "meta"),
        ('<time itemprop="datePublished" datetime="2024-05-16T09:00:00Z">', "time-element"),
        ('<article><time datetime="2024-05-16T09:00:00Z"></time></article>', "time-element"),
    ],
)
def test_the_page_tells_a_date_where_the_feed_does_not(html: str, source: str) -> None:
    assert chosen(html) == Published(at=at("2024-05-16T09:00:00"), source=source, precision="second")


def test_json_ld_goes_before_meta() -> None:
    html = '<meta property="article:published_time" content="2024-05-16T09:00:00Z">'
    published = chosen(html, claimed="2024-05-15T07:00Z")
    assert published == Published(at=at("2024-05-15T07:00"), source="json-ld", precision="minute")


@pytest.mark.parametrize(
    "url",
    [
        "https://a/2024/05/16/story",
        "https://a/2024/5/16/story",
        "https://a/story-2024-05-16.html",
        "https://a/20240516/x",
    ],
)
def test_the_address_tells_a_day_at_last(url: str) -> None:
    assert chosen(url=url) == Published(at=at("2024-05-16"), source="url", precision="day")


@pytest.mark.parametrize(
    "url", ["https://a/story/12345678", "https://a/2024/story", "https://a/1066/10/14/x", "https://a"]
)
def test_other_numbers_in_an_address_are_no_date(url: str) -> None:
    assert chosen(url=url) is None


def test_midnight_is_a_day_and_gives_way_to_a_time_of_that_day() -> None:
    midnight = at("2024-05-16")
    told = chosen(published_at=midnight, published_text="2024-05-16T00:00:00Z")
    assert told == Published(at=midnight, source="feed", precision="day")
    finer = chosen(
        claimed="2024-05-16T18:45:10Z", published_at=midnight, published_text="2024-05-16T00:00:00Z"
    )
    assert finer == Published(at=at("2024-05-16T18:45:10"), source="json-ld", precision="second")


@pytest.mark.parametrize("implausible", [0.0, FRIDAY + 2 * 86_400])
def test_dates_before_the_web_and_of_the_future_are_passed_over(implausible: float) -> None:
    published = chosen(claimed="2024-05-16T18:45:10Z", published_at=implausible, published_text="")
    assert published is not None
    assert published.source == "json-ld"
