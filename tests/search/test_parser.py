from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import QueryError
from pipeline.search.dates import FORMS
from pipeline.search.parser import LONGEST_QUERY, MOST_LEAVES, parse
from pipeline.search.query import (
    Address,
    AddressField,
    And,
    Clock,
    DateRange,
    Everything,
    Exists,
    Keyword,
    KeywordField,
    Name,
    NameField,
    Not,
    Or,
    Phrase,
    Query,
    TextField,
    Word,
)


def at(written: str) -> float:
    return datetime.fromisoformat(written).replace(tzinfo=UTC).timestamp()


NOW = at("2026-03-10T12:00:00")
A_LANGUAGE = "language is a code of two letters, as in en or fr"
A, B, C = Word("a"), Word("b"), Word("c")
PERSON, URL, PUBLISHED = NameField.PERSON, AddressField.URL, Clock.PUBLISHED


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("", Everything()),
        ("  \t", Everything()),
        ("*", Everything()),
        ("a", A),
        ("a b c", And((A, B, C))),
        ("a AND b", And((A, B))),
        ("a OR b", Or((A, B))),
        ("a OR b OR c", Or((A, B, C))),
        ("a b OR c", And((A, Or((B, C))))),
        ("a OR b AND c", Or((A, And((B, C))))),
        ("(a b) OR c", Or((And((A, B)), C))),
        ("NOT a", Not(A)),
        ("a -b +c", And((A, Not(B), C))),
        ("a -(b OR c)", And((A, Not(Or((B, C)))))),
        ("a and b or not", And((A, Word("and"), B, Word("or"), Word("not")))),
        ("elect*", Word("elect", prefix=True)),
        ('"a b"', Phrase("a b")),
        ('"a b"~5', Phrase("a b", slop=5)),
        ("“a b” „b c“ « a »", And((Phrase("a b"), Phrase("b c"), Phrase(" a ")))),
        ('"say \\"a\\""', Phrase('say "a"')),
        ("covid-19", Word("covid-19")),
        ("d'été l’état", And((Word("d'été"), Word("l’état")))),
        ("'a b'", And((A, Word("b'")))),
        ("a\\*", Word("a*")),
        ("a ! … b", And((A, B))),
        ("title:a", Word("a", field=TextField.TITLE)),
        ('text:"a b"~2', Phrase("a b", slop=2, field=TextField.TEXT)),
        ("title:(a OR b)", Or((Word("a", field=TextField.TITLE), Word("b", field=TextField.TITLE)))),
        ("person:merkel", Name(PERSON, "merkel", whole=False)),
        ("person:merk*", Name(PERSON, "merk", whole=False, prefix=True)),
        ('person:"Angela Merkel"', Name(PERSON, "Angela Merkel", whole=True)),
        ("-person:merkel", Not(Name(PERSON, "merkel", whole=False))),
        ("outlet:bbc.co.uk", Name(NameField.OUTLET, "bbc.co.uk", whole=False)),
        ('organization:"McDonald\'s"', Name(NameField.ORGANIZATION, "McDonald", whole=True)),
        ("entity:moody’s", Name(NameField.ENTITY, "moody", whole=False)),
        ('author:"Lloyd\'s"', Name(NameField.AUTHOR, "Lloyd's", whole=True)),
        ("language:EN", Keyword(KeywordField.LANGUAGE, "en")),
        ('-language:" De "', Not(Keyword(KeywordField.LANGUAGE, "de"))),
        (
            "text_source:(PAGE OR json-ld)",
            Or((Keyword(KeywordField.TEXT_SOURCE, "page"), Keyword(KeywordField.TEXT_SOURCE, "json-ld"))),
        ),
        ("partial:fetch-failed", Keyword(KeywordField.PARTIAL, "fetch-failed")),
        ("story:S-1", Keyword(KeywordField.STORY, "s-1")),
        ("partial:*", Exists(KeywordField.PARTIAL)),
        ("person:*", Exists(PERSON)),
        ("url:*", Everything()),
        ("url:bbc.co.uk/news", Address(URL, "bbc.co.uk/news")),
        ("url:https://a.org/b?c=d:e", Address(URL, "https://a.org/b?c=d:e")),
        ("https://a.org/b", Address(URL, "https://a.org/b")),
        ("(https://a.org/b_(c)) a", And((Address(URL, "https://a.org/b_(c)"), A))),
        ("-https://a.org", Not(Address(URL, "https://a.org"))),
        ('url:"a.org:8700/a"', Address(URL, "a.org:8700/a")),
        ("feed:https://a.org/rss", Address(AddressField.FEED, "https://a.org/rss")),
    ],
)
def test_a_query_is_read_as_lucene_reads_it(text: str, query: Query) -> None:
    assert parse(text, now=NOW) == query


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("published:2026-03-04", "2026-03-04", "2026-03-05"),
        ("published:2026-02", "2026-02-01", "2026-03-01"),
        ("published:2025-12", "2025-12-01", "2026-01-01"),
        ("published:2025", "2025-01-01", "2026-01-01"),
        ("published:[2026-01-01 TO *]", "2026-01-01", None),
        ("published:[* TO 2026-01-31]", None, "2026-02-01"),
        ("published:[2026-01-01 TO 2026-01-31]", "2026-01-01", "2026-02-01"),
        ("published:[2026-01-01 TO 2026-01-31}", "2026-01-01", "2026-01-31"),
        ("published:{2026-01-01 TO 2026-01-31]", "2026-01-02", "2026-02-01"),
        ("published:[* TO *]", None, None),
        ("published:>=2026-01-01", "2026-01-01", None),
        ("published:>2026-01-01", "2026-01-02", None),
        ("published:<=2026-01-01", None, "2026-01-02"),
        ("published:<2026-01-01", None, "2026-01-01"),
        (
            "published:[2026-01-01T10:30 TO 2026-01-01T10:30:15Z}",
            "2026-01-01T10:30:00",
            "2026-01-01T10:30:15",
        ),
        ('published:"2026-01-01T10:30:00+02:00"', "2026-01-01T08:30:00", "2026-01-01T08:30:01"),
        ("published:>=2026-01-01T10:30:00+02:00", "2026-01-01T08:30:00", None),
        ("published:7d", "2026-03-03T12:00:00", None),
        ("published:[2w TO 24h]", "2026-02-24T12:00:00", "2026-03-09T12:00:00"),
    ],
)
def test_dates_become_half_open_ranges(text: str, start: str | None, end: str | None) -> None:
    assert parse(text, now=NOW) == DateRange(PUBLISHED, start and at(start), end and at(end))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "a (b",
            "column 5: the query ends too early; close a parenthesis, or write what the last sign needs",
        ),
        ("a)", "column 2: “)” cannot stand here; put it in quotes to search for it"),
        (
            "a AND",
            "column 6: the query ends too early; close a parenthesis, or write what the last sign needs",
        ),
        ("OR a", "column 1: “OR a” cannot stand here; put it in quotes to search for it"),
        ('say "a b', 'column 5: this quotation mark is never closed; add a " at the end of the phrase'),
        (
            "persn:a",
            "column 1: there is no field “persn”; write person:, or quote the words",
        ),
        (
            "b Title:a",
            "column 3: there is no field “Title”; write title:, or quote the words",
        ),
        (
            "https://a.org/b persn:a",
            "column 17: there is no field “persn”; write person:, or quote the words",
        ),
        (
            "127.0.1.3:8700/a/5.html",
            'column 1: there is no field “127.0.1.3”; put an address in quotes: url:"…"',
        ),
        (
            "b url:a.org:8700/a",
            'column 7: there is no field “a.org”; put an address in quotes: url:"…"',
        ),
        (
            "feed:a.org:8700/rss",
            'column 6: there is no field “a.org”; put an address in quotes: feed:"…"',
        ),
        ("b *a", "column 3: a word cannot begin with *; write its beginning, as in elect*"),
        ("?a", "column 1: a word cannot begin with ?; write its beginning, as in elect*"),
        ("a*b", "column 1: * may only end a word, and ? is not supported; write elect*, or quote the text"),
        ("person:*a", "column 8: a word cannot begin with *; write its beginning, as in elect*"),
        ("language:e*", "column 10: language: takes no *; language:* alone finds what has any"),
        ("a language:english", f"column 12: {A_LANGUAGE}, not “english”"),
        ('-language:"de-AT"', f"column 11: {A_LANGUAGE}, not “de-AT”"),
        ("language:(en OR ger)", f"column 17: {A_LANGUAGE}, not “ger”"),
        (
            "text_source:feed",
            "column 13: text_source is page, page-second, json-ld, feed-content, feed-summary or title,"
            " not “feed”",
        ),
        (
            'a OR NOT partial:"paywall"',
            "column 18: partial is robots, blocked, gone, fetch-failed, unsupported-type, extraction-empty,"
            " extraction-crashed or too-large, not “paywall”",
        ),
        ("a b~1", "column 3: ~ after a word (fuzzy search) is not supported; write its beginning: elect*"),
        ("a^2", "column 1: ^ (a boost) is not supported; leave it out"),
        ("a /b.*/", "column 3: regular expressions are not supported; use word* or a phrase"),
        (
            "a /b",
            "column 3: / begins a regular expression, which is not supported; quote words that hold a /",
        ),
        ('"a b"~999', 'column 1: ~ after a phrase takes a number up to 100, as in "a b"~5'),
        ('"a b"~1.5', 'column 6: ~ takes a whole number, after a phrase, as in "a b"~5'),
        ('person:"a b"~2', "column 8: ~ works on phrases of the title and text; leave it out after person:"),
        ("title:(a person:b)", "column 10: person: stands inside title:; close that field first"),
        ("[a TO b]", "column 1: ranges work on published: and first_seen:; quote the sign to search for it"),
        ("title:>5", "column 7: ranges work on published: and first_seen:; quote the sign to search for it"),
        (
            "published:soon",
            f"column 11: “soon” is no date; write {FORMS}",
        ),
        (
            "published:[2026-13-01 TO *]",
            f"column 12: “2026-13-01” is no date; write {FORMS}",
        ),
        ("!!! …", "there is no letter or digit to search for in “!!! …”"),
        ("person:!", "column 8: person: needs a letter or digit"),
        (
            "a" * (LONGEST_QUERY + 1),
            f"the query has {LONGEST_QUERY + 1} characters; at most {LONGEST_QUERY} are searched",
        ),
        ("a " * (MOST_LEAVES + 1), f"the query has more than {MOST_LEAVES} words; search in several steps"),
        ("(" * 60 + "a" + ")" * 60, "column 52: more than 50 levels of parentheses; write it flatter"),
        ("a\\", "column 2: “\\” cannot stand here; put it in quotes to search for it"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_place_and_the_fix(text: str, line: str) -> None:
    with pytest.raises(QueryError) as refused:
        parse(text, now=NOW)
    assert str(refused.value) == line


@pytest.mark.parametrize("name", ["zzz", "entities.person"])
def test_an_unknown_field_far_from_all_names_them_all(name: str) -> None:
    with pytest.raises(
        QueryError, match=rf"no field “{name}”; quote the words, or use title, text, person, .*, published$"
    ):
        parse(f"{name}:a", now=NOW)


SYNTAX = st.text(st.sampled_from("ab1 \"'()[]{}:*?~^+-/\\<>=.,TO\n\0é東"), max_size=40)
SIGNS = (
    'a OR AND NOT - + ( ) " ~2 ^3 title: person: language: published: url: [ ] { } TO * 2026 7d 12:30'
    " https://a.org/b"
)
PIECES = st.lists(st.sampled_from([*SIGNS.split(), "\\", "'", ">=", "<"]), max_size=12).map(" ".join)


@given(st.one_of(SYNTAX, PIECES, PIECES.map(lambda text: text.replace(" ", "")), st.text(max_size=30)))
def test_any_text_is_read_or_refused_in_one_line(text: str) -> None:
    try:
        parse(text, now=NOW)
    except QueryError as error:
        refusal = str(error)
    else:
        refusal = "-"
    assert refusal
    assert refusal.isprintable()
