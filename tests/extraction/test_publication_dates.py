"""When an article was published: which date is believed, and how much it says."""

from datetime import UTC, datetime

import pytest

from pipeline.extraction.dates import choose_date, read_date, zone_of
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
    assert published == Published(at=FRIDAY, source="feed", precision="second", zone="+02:00")


@pytest.mark.parametrize(
    ("html", "source"),
    [
        ('<meta property="article:published_time" content="2024-05-16T09:00:00Z">', "meta"),
        ('<time itemprop="datePublished" datetime="2024-05-16T09:00:00Z">', "time-element"),
        ('<article><time datetime="2024-05-16T09:00:00Z"></time></article>', "time-element"),
    ],
)
def test_the_page_tells_a_date_where_the_feed_does_not(html: str, source: str) -> None:
    assert chosen(html) == Published(
        at=at("2024-05-16T09:00:00"), source=source, precision="second", zone="+00:00"
    )


def test_json_ld_goes_before_meta() -> None:
    html = '<meta property="article:published_time" content="2024-05-16T09:00:00Z">'
    published = chosen(html, claimed="2024-05-15T07:00Z")
    assert published == Published(
        at=at("2024-05-15T07:00"), source="json-ld", precision="minute", zone="+00:00"
    )


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
    assert told == Published(at=midnight, source="feed", precision="day", zone="+00:00")
    finer = chosen(
        claimed="2024-05-16T18:45:10Z", published_at=midnight, published_text="2024-05-16T00:00:00Z"
    )
    assert finer == Published(
        at=at("2024-05-16T18:45:10"), source="json-ld", precision="second", zone="+00:00"
    )


@pytest.mark.parametrize("implausible", [0.0, FRIDAY + 2 * 86_400])
def test_dates_before_the_web_and_of_the_future_are_passed_over(implausible: float) -> None:
    published = chosen(claimed="2024-05-16T18:45:10Z", published_at=implausible, published_text="")
    assert published is not None
    assert published.source == "json-ld"


@pytest.mark.parametrize(
    ("written", "zone"),
    [
        ("Fri, 17 May 2024 10:30:00 +0200", "+02:00"),
        ("2024-05-17T10:30:00.123-05:30", "-05:30"),
        ("2024-05-17T08:30+02", "+02:00"),
        ("2024-05-17T08:30:00Z", "+00:00"),
        (" Fri, 17 May 2024 08:30 GMT ", "+00:00"),
        ("Fri, 17 May 2024 08:30:00 EDT", "-04:00"),
        ("Fri, 17 May 2024 08:30:00 -0000", None),
        ("Fri, 17 May 2024 08:30:00 PM", None),
        ("2024-05-17T08:30", None),
        ("2024-05-17", None),
        ("", None),
    ],
)
def test_the_zone_that_a_date_names_is_kept(written: str, zone: str | None) -> None:
    assert zone_of(written) == zone


HOUR = 3_600.0


@pytest.mark.parametrize(
    ("ahead", "clamped"),
    [(0.0, False), (5 * 60.0, False), (2 * HOUR, True), (2 * 24 * HOUR, True), (75 * 365 * 24 * HOUR, True)],
)
def test_a_date_in_the_future_is_clamped_to_the_first_sighting_and_marked(
    ahead: float, clamped: bool
) -> None:
    published = chosen(published_at=FRIDAY + ahead, published_text="Fri, 17 May 2024 10:30:00")
    assert published is not None
    assert (published.at, published.is_clamped) == (FRIDAY if clamped else FRIDAY + ahead, clamped)


def test_a_day_that_has_begun_in_the_east_is_not_clamped() -> None:
    published = chosen(published_at=at("2024-05-18"), published_text="2024-05-18")
    assert published == Published(at=at("2024-05-18"), source="feed", precision="day")


def test_of_an_entry_that_tells_its_last_edit_alone_the_pages_date_goes_first() -> None:
    edit = {"published_at": FRIDAY, "published_text": "2024-05-17T08:30:00Z", "published_by": "updated"}
    read = chosen(claimed="2024-05-16T18:45:10Z", **edit)
    assert read is not None
    assert (read.source, read.at) == ("json-ld", at("2024-05-16T18:45:10"))
    alone = chosen(url="https://a/2024/05/16/story", **edit)
    assert alone is not None
    assert (alone.source, alone.at) == ("feed", FRIDAY)
