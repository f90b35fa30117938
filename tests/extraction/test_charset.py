"""Bytes to text, as browsers do it."""

import pytest

from pipeline.extraction.charset import BODY_LIMIT, codec_of, decode


def content_type(value: str) -> tuple[tuple[str, str], ...]:
    return (("content-type", value),)


@pytest.mark.parametrize(
    ("body", "header", "text"),
    [
        ("Café".encode(), "text/html; charset=utf-8", "Café"),
        ("Café – “déjà”".encode("cp1252"), "text/html; charset=ISO-8859-1", "Café – “déjà”"),
        ("Café €5".encode("cp1252"), "text/html; charset=latin-1", "Café €5"),
        ("①髙島屋".encode("cp932"), "text/html; charset=Shift_JIS", "①髙島屋"),
        ("똠방각하".encode("cp949"), "text/html; charset=euc-kr", "똠방각하"),
        ("Привет".encode("cp1251"), 'text/html; charset="windows-1251"', "Привет"),
        (b"\xef\xbb\xbf" + "Café".encode(), "text/html; charset=iso-8859-1", "Café"),
        (b"\xff\xfe" + "Café".encode("utf-16-le"), "text/html", "Café"),
        (b'<meta charset="windows-1252"><p>Caf\xe9', "text/html", '<meta charset="windows-1252"><p>Café'),
        (b"<meta charset=utf-16><p>Caf\xc3\xa9", "text/html", "<meta charset=utf-16><p>Café"),
        ("Ça va".encode(), "text/html; charset=no-such-charset", "Ça va"),
        ("Ça va".encode(), "", "Ça va"),
    ],
)
def test_the_encoding_is_found(body: bytes, header: str, text: str) -> None:
    assert decode(body, content_type(header)) == text


def test_the_content_type_goes_before_the_pages_own_declaration() -> None:
    body = '<meta charset="windows-1252">Café'.encode()
    assert decode(body, content_type("text/html; charset=utf-8")).endswith("Café")


def test_a_declared_encoding_that_spoils_the_text_is_disbelieved() -> None:
    body = "日本語のニュースをお届けします。今日の天気は晴れです。".encode("shift_jis")
    assert decode(body, content_type("text/html; charset=utf-8")).startswith("日本語のニュース")


def test_few_letters_beyond_ascii_are_enough_to_disbelieve() -> None:
    body = ("<p>" + "In Lübeck fährt die Fähre. " * 3 + "x" * 5_000).encode("cp1252")
    assert decode(body, content_type("text/html; charset=utf-8")).startswith("<p>In Lübeck fährt die Fähre. ")


def test_a_page_in_utf_8_is_read_as_such_whatever_its_server_says() -> None:
    body = "<p>In Lübeck fährt die Fähre.".encode()
    assert decode(body, content_type("text/html; charset=shift_jis")) == "<p>In Lübeck fährt die Fähre."


def test_a_page_in_utf_8_that_is_cut_in_a_letter_stays_utf_8() -> None:
    body = "<p>In Lübeck fährt die Fähré".encode()[:-1]
    assert decode(body, content_type("text/html; charset=utf-8")) == "<p>In Lübeck fährt die Fähr\ufffd"


def test_an_undeclared_encoding_is_guessed() -> None:
    russian = "Сегодня в Москве прошло заседание правительства, на котором обсудили бюджет."
    assert decode(russian.encode("cp1251"), ()) == russian


def test_nul_is_left_out() -> None:
    assert decode(b"a\x00b", ()) == "ab"


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", bytes(range(256)) * 40, b"\x80" * 999])
def test_any_bytes_become_text_that_can_be_stored(body: bytes) -> None:
    assert isinstance(decode(body, ()).encode("utf-8"), bytes)


def test_a_page_is_cut_at_its_limit() -> None:
    assert len(decode(b"a" * (BODY_LIMIT + 1), content_type("text/html; charset=utf-8"))) == BODY_LIMIT


@pytest.mark.parametrize("label", ["utf-7", "base64", "rot13", "zip", ""])
def test_labels_that_are_no_encoding_of_the_web_are_unknown(label: str) -> None:
    assert codec_of(label) is None
