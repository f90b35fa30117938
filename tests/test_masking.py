"""Secrets in URLs that stand alone (`wireroom config show`), and within a text (logs)."""

import time

import pytest

from pipeline.masking import mask, mask_url

ANYWHERE = [
    ("postgresql://user:secret@host/db", "postgresql://user:***@host/db"),
    ("postgresql+psycopg://user:secret@host:5432/db", "postgresql+psycopg://user:***@host:5432/db"),
    ("redis://:secret@host:6379/0", "redis://:***@host:6379/0"),
    ("redis://host:6379/0?password=secret&db=1", "redis://host:6379/0?password=***&db=1"),
    ("postgresql://host/db?user=a&sslpassword=secret", "postgresql://host/db?user=a&sslpassword=***"),
    ("redis://host:6379/0?password=se,cr)et&db=1", "redis://host:6379/0?password=***&db=1"),
    ("https://host/feed?access_token=secret&page=2", "https://host/feed?access_token=***&page=2"),
    ("https://host/feed?client_secret=secret", "https://host/feed?client_secret=***"),
    ("https://host/feed?page=2&key=secret", "https://host/feed?page=2&key=***"),
    ("postgresql://host/db?sslkey=/etc/client.key", "postgresql://host/db?sslkey=/etc/client.key"),
    ("postgresql://user@host:5432/db", "postgresql://user@host:5432/db"),
    ("http://host:8080/@somebody", "http://host:8080/@somebody"),
    ("redis+socket:///run/a:b@c.sock", "redis+socket:///run/a:b@c.sock"),
    ("sqlite:////srv/a@b/wireroom.db", "sqlite:////srv/a@b/wireroom.db"),
    ("embedded", "embedded"),
]

ALONE = [
    ("redis://:se/cr?et@host/0", "redis://:***@host/0"),
    ("https://user:se@cr[et@host:9200", "https://user:***@host:9200"),
    ("https://user:8080secret@host", "https://user:***@host"),
    ("user:secret@host/db", "user:***@host/db"),
    ("postgresql://host/db?sslpassword=se cret&user=a", "postgresql://host/db?sslpassword=***&user=a"),
]


@pytest.mark.parametrize(("url", "shown"), [*ANYWHERE, *ALONE])
def test_what_is_secret_in_a_url_is_masked_and_nothing_else(url: str, shown: str) -> None:
    assert mask_url(url) == shown


@pytest.mark.parametrize(("url", "shown"), ANYWHERE)
def test_the_same_is_masked_where_a_text_names_the_url(url: str, shown: str) -> None:
    assert mask(f"cannot open {url} twice") == f"cannot open {shown} twice"
    assert mask(f"{{'url': '{url}'}}") == f"{{'url': '{shown}'}}"


@pytest.mark.parametrize("unit", ["a-", "token", "?a-"])
def test_a_long_text_of_a_stranger_keeps_nobody_busy(unit: str) -> None:
    text, began_at = unit * 20_000, time.process_time()
    assert mask(text) == text
    assert time.process_time() - began_at < 3.0  # quadratic, it would be more


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("WIREROOM_INDEX_API_KEY=secret", "WIREROOM_INDEX_API_KEY=***"),
        ("db-password: secret", "db-password: ***"),
        ("accessToken=secret, authtoken: secret", "accessToken=***, authtoken: ***"),
        ("sslpassword=secret host=h", "sslpassword=*** host=h"),
        ("the token of a monkey: none", "the token of a monkey: none"),
        ("keyboard=qwerty", "keyboard=qwerty"),
    ],
)
def test_a_value_is_masked_by_its_name(said: str, told: str) -> None:
    assert mask(said) == told
