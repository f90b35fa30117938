"""Plain text: out of a feed's HTML, and as every reading of an article ends up: one paragraph a line."""

import re
import unicodedata

from resiliparse.extract.html2text import extract_plain_text

TEXT_LIMIT = 1_000_000
"""Characters of a text that are kept: some 160,000 words, a long novel; also spaCy's own limit."""

TAG_LIMIT = 20_000
"""Characters of one tag: room for some 5,000 attributes, which the parsers read in 0.1 s. Longer ones are
pictures inside their address."""

_GIANT_TAG = re.compile(rf"<[a-zA-Z][^<>]{{{TAG_LIMIT},}}>?")

# Controls, surrogates (JSON may spell them), non-characters, zero-width marks that split words for nobody.
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u00ad\u200b\u2060\ufeff\ufffe\uffff]")

# What blogging software appends to every entry of a feed, in the languages seen in real feeds.
_FEED_TAIL = re.compile(
    r"(the post .{1,300} (appeared first|first appeared) on .{1,200}"
    r"|l.article .{1,300} est apparu en premier sur .{1,200}"
    r"|der beitrag .{1,300} erschien zuerst auf .{1,200}"
    r"|la entrada .{1,300} (aparece primero|se publicó primero) en .{1,200}"
    r"|[(\[]?(read (more|the (full|rest))|continue reading|weiterlesen|lire la suite|leer más)\b.{0,120}"
    r"|(comments|commentaires|kommentare)\W{0,2}|\[link\]\W{0,3}(\[comments\])?)",
    re.IGNORECASE,
)

_ESCAPED_WHOLE = re.compile(
    r"<(p|div|h\d|img|a|ul|ol|figure|section|article|span|strong|em|table)\b[^<>]*>.*>$", re.S
)

_EMBEDDED = ["script", "style", "noscript", "iframe", "object", "svg", "template", "button", "form"]


def without_giant_tags(markup: str) -> str:
    """Cut tags of TAG_LIMIT characters and more out of HTML: 50,000 attributes take the parsers 7 s."""
    if len(markup) < TAG_LIMIT or max(map(len, markup.split("<"))) < TAG_LIMIT:
        return markup
    return _GIANT_TAG.sub("", markup)


def tidy(text: str) -> str:
    """Collapse a text to one paragraph a line, in normal form C, without what cannot be printed."""
    text = _UNFIT.sub("", text[: 2 * TEXT_LIMIT].replace("\u2028", "\n").replace("\u2029", "\n"))
    lines = (" ".join(line.split()) for line in text.splitlines())
    return unicodedata.normalize("NFC", "\n".join(line for line in lines if line))[:TEXT_LIMIT].strip()


def one_line(text: str) -> str:
    """Collapse a text to a single line, as `tidy` does."""
    return " ".join(tidy(text).split())


def plain_text(markup: str) -> str:
    """Read the paragraphs out of a feed's HTML, in time that grows with its length alone, however nested."""
    markup = without_giant_tags(markup)
    return tidy(extract_plain_text(markup, alt_texts=False, list_bullets=False, skip_elements=_EMBEDDED))


def feed_text(markup: str) -> str:
    """Read a feed's summary or content, less the "appeared first on" and "read more" at its end.

    HTML that was escaped twice is read twice.
    """
    text = plain_text(markup)
    if _ESCAPED_WHOLE.match(text):
        text = plain_text(text)
    lines = text.split("\n")
    while lines and _FEED_TAIL.fullmatch(lines[-1]):
        lines.pop()
    return "\n".join(lines)
