"""Turn a page's bytes into text, whatever it says of its encoding."""

import re
from collections.abc import Sequence
from email.message import Message

from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5

from pipeline.model import header

BODY_LIMIT = 5 * 1024 * 1024
"""Bytes of a page that are read: the largest of 181 article pages has 1.5 MB. Pages of 5 MB made of nothing
but paragraphs or open tags took up to 12 s and 453 MiB."""

META_LIMIT = 4096
"""Bytes searched for a declaration: the standard asks for 1,024, real pages put scripts before it."""

_BYTE_ORDER_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))

_META = re.compile(rb"<meta[^>]{0,512}?charset\s*=\s*[\"']?\s*([\w.:-]{1,40})", re.IGNORECASE)
_XML = re.compile(rb"\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([\w.:-]{1,40})", re.IGNORECASE)

# What the Encoding Standard's names mean in Python, where the codec of the same name knows fewer characters.
_CODECS = {
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "iso8859-11": "cp874",
}

# Labels that servers send and the Encoding Standard does not list.
_OTHER_LABELS = {
    "latin-1": "cp1252",
    "cp932": "cp932",
    "cp949": "cp949",
    "utf_8": "utf-8",
    "utf8mb4": "utf-8",
}

_SPOILT_SHARE = 0.5
"""Share of undecodable ones among the characters beyond ASCII from which a declared encoding is disbelieved:
in the right one there are none, or few where a text was cut; windows-1252 read as UTF-8 has nothing else."""


def decode(body: bytes, headers: Sequence[tuple[str, str]]) -> str:
    """Decode a page, at most BODY_LIMIT bytes of it, by its byte order mark, the charset of its Content-Type,
    its own declaration, or else by guess (WHATWG HTML §13.2.3.2); never fails. NULs are left out.

    Labels mean what browsers take them for: `latin-1` is windows-1252, `shift_jis` is cp932 (WHATWG
    Encoding §4.2). A declared encoding that most of the bytes beyond ASCII are not in is passed over. What
    can be read as UTF-8 from end to end is UTF-8: text in another encoding hardly ever can.
    """
    body = body[:BODY_LIMIT]
    declared = _declared(body, headers)
    for codec in ["utf-8", *declared] if _is_utf_8(body) else declared:
        text = body.decode(codec, "replace")
        if not _is_spoilt(text):
            return _printable(text)
    return _printable(body.decode(_guessed(body), "replace"))


def _is_utf_8(body: bytes) -> bool:
    try:
        return len(body.decode("utf-8")) < len(body)
    except UnicodeDecodeError:
        return False


def _is_spoilt(text: str) -> bool:
    spoilt = text.count("\ufffd")
    return spoilt > 0 and spoilt > _SPOILT_SHARE * (len(text) - len(text.encode("ascii", "ignore")))


def _printable(text: str) -> str:
    # No codec that is used here makes surrogates, so they need no look at each character.
    return text.replace("\x00", "").replace("\ufeff", "")


def _declared(body: bytes, headers: Sequence[tuple[str, str]]) -> list[str]:
    marked = next((codec for mark, codec in _BYTE_ORDER_MARKS if body.startswith(mark)), None)
    found = [marked, codec_of(_header_label(headers)), _body_codec(body)]
    return [codec for codec in found if codec]


def _header_label(headers: Sequence[tuple[str, str]]) -> str:
    message = Message()
    message["Content-Type"] = re.sub(r"[^\x20-\x7e]", "", header(headers, "Content-Type") or "")
    return str(message.get_param("charset", "") or "")


def _body_codec(body: bytes) -> str | None:
    found = _XML.match(body[:META_LIMIT]) or _META.search(body[:META_LIMIT])
    codec = codec_of(found[1].decode("ascii", "replace")) if found else None
    # A declaration that could be read is in no 16-bit encoding (WHATWG HTML §13.2.3.3).
    return "utf-8" if codec and codec.startswith("utf-16") else codec


def codec_of(label: str) -> str | None:
    """Name the Python codec for an encoding label; None when nobody knows the label."""
    cleaned = label.strip(" \t\r\n\"';").lower()
    name = _OTHER_LABELS.get(cleaned) or map_encoding_to_html5(cleaned, fallback_utf8=False)
    return _CODECS.get(name, name) if name else None


def _guessed(body: bytes) -> str:
    try:
        body[: META_LIMIT * 16].decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < META_LIMIT * 16 - 4:
            return codec_of(detect_encoding(body) or "") or "cp1252"
    return "utf-8"
