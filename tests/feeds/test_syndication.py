"""What a feed's document asks of its readers."""

from datetime import UTC, datetime

import pytest

from pipeline.feeds.child import FeedParser
from pipeline.feeds.parsing import parse_feed
from pipeline.model import FeedHints

URL = "https://news.example/feed"
SY = 'xmlns:sy="http://purl.org/rss/1.0/modules/syndication/"'
NOON = datetime(2000, 1, 1, 12, tzinfo=UTC).timestamp()


def document(channel: str) -> bytes:
    return f'<rss version="2.0" {SY}><channel>{channel}<item/></channel></rss>'.encode()


def hints(channel: str) -> FeedHints:
    return parse_feed(document(channel), url=URL, headers=()).hints


@pytest.mark.parametrize(
    ("channel", "asked"),
    [
        ("", FeedHints()),
        ("<ttl>60</ttl>", FeedHints(ttl_s=3_600.0)),
        ("<ttl> 0.5 </ttl>", FeedHints(ttl_s=30.0)),
        ("<sy:updatePeriod>hourly</sy:updatePeriod>", FeedHints(update_period_s=3_600.0)),
        (
            "<sy:updatePeriod>\n Daily\t</sy:updatePeriod><sy:updateFrequency>4</sy:updateFrequency>"
            "<sy:updateBase>2000-01-01T12:00+00:00</sy:updateBase>",
            FeedHints(update_period_s=6 * 3_600.0, update_base=NOON),
        ),
        ("<sy:updateFrequency>2</sy:updateFrequency>", FeedHints(update_period_s=12 * 3_600.0)),
        (
            "<skipHours><hour>0</hour><hour> 7 </hour><hour>24</hour></skipHours>",
            FeedHints(skip_hours=frozenset({0, 7})),
        ),
        (
            "<skipDays><day>Saturday</day><day>SUNDAY</day></skipDays>",
            FeedHints(skip_days=frozenset({5, 6})),
        ),
    ],
)
def test_what_a_document_asks_for_is_read(channel: str, asked: FeedHints) -> None:
    assert hints(channel) == asked


@pytest.mark.parametrize(
    "channel",
    [
        "<ttl>0</ttl>",
        "<ttl>-60</ttl>",
        "<ttl>soon</ttl>",
        "<ttl>nan</ttl>",
        "<ttl>1e999</ttl>",
        "<sy:updatePeriod>sometimes</sy:updatePeriod>",
        "<sy:updatePeriod>hourly</sy:updatePeriod><sy:updateFrequency>0</sy:updateFrequency>",
        "<sy:updateBase>the beginning</sy:updateBase>",
        "<skipHours><hour>25</hour><hour>-1</hour><hour>noon</hour></skipHours>",
        "<skipDays><day>Samstag</day></skipDays>",
        "<skipHours>" + "".join(f"<hour>{hour}</hour>" for hour in range(24)) + "</skipHours>",
        "<skipHours><hour>3</hour>",
        "<skipHours>" + "<hour>3</hour>" * 1_000 + "</skipHours>",
    ],
)
def test_what_is_not_well_formed_or_would_silence_the_feed_is_left_out(channel: str) -> None:
    assert hints(channel) == FeedHints()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_hints_are_read_in_every_encoding(encoding: str) -> None:
    head = f'<?xml version="1.0" encoding="{encoding}"?>'
    body = head + document("<skipHours><hour>3</hour></skipHours><ttl>5</ttl>").decode()
    asked = parse_feed(body.encode(encoding), url=URL, headers=()).hints
    assert asked == FeedHints(ttl_s=300.0, skip_hours=frozenset({3}))


def test_the_syndication_module_is_read_in_atom_and_rdf_too() -> None:
    period = "<sy:updatePeriod>weekly</sy:updatePeriod>"
    atom = f'<feed xmlns="http://www.w3.org/2005/Atom" {SY}>{period}</feed>'
    rdf = (
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/" '
        f"{SY}><channel>{period}</channel></rdf:RDF>"
    )
    for body in (atom, rdf):
        assert parse_feed(body.encode(), url=URL, headers=()).hints.update_period_s == 7 * 86_400.0


def test_hints_media_and_the_way_of_an_index_come_through_the_parsers_process() -> None:
    item = (
        '<item><link>https://news.example/1</link><enclosure url="/1.mp3"/><enclosure url="/2.mp3"/></item>'
    )
    body = document(f"<ttl>60</ttl><skipDays><day>Monday</day></skipDays>{item}")
    listed = b"<sitemapindex><sitemap><loc>https://news.example/1.xml</loc></sitemap></sitemapindex>"
    with FeedParser() as parser:
        for each in (body, listed):
            read = parser.parse(each, url=URL, headers=())
            assert read == parse_feed(each, url=URL, headers=())
