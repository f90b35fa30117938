"""Turn what feeds write into what Wireroom keeps: plain text, usable links, bounded HTML."""

import html
import re
from collections.abc import Iterable
from urllib.parse import urljoin, urlsplit

import nh3

from pipeline.quoting import in_angle_quotes

MEDIA_LIMIT = 32  # pictures, sounds and films of one entry

TEXT_LIMIT = 1_000  # characters of a title, author or tag; the longest title of 6,555 real entries has 280
HTML_LIMIT = 1 << 20  # characters of a summary or content: what enrichment reads of any text
GUID_LIMIT = 2_048  # characters
LINK_LIMIT = 8_192  # characters; servers refuse longer ones (RFC 9110 §4.1 asks for 8,000)

_MARKUP_LIMIT = 8 * TEXT_LIMIT  # characters read in search of TEXT_LIMIT characters of text

# C0 but tab and newlines, DEL, C1, surrogates (no UTF-8), non-characters, byte order mark, soft hyphen.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufeff\ufffe\uffff\u00ad]")
_UNFIT_FOR_HTML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_UNFIT_FOR_LINK = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")

# Elements whose content is not text for readers; removed with it.
_CONTENT_DROPPED = {
    *("applet", "embed", "frameset", "iframe", "math", "noembed", "noframes", "noscript", "object"),
    *("script", "style", "svg", "template"),
}
_OTHER_ELEMENTS = {
    *("audio", "base", "big", "body", "button", "canvas", "dialog", "fieldset", "font", "form", "frame"),
    *(
        "head",
        "html",
        "image",
        "input",
        "label",
        "legend",
        "link",
        "main",
        "marquee",
        "meta",
        "nav",
        "option",
    ),
    *(
        "param",
        "picture",
        "plaintext",
        "progress",
        "section",
        "select",
        "slot",
        "source",
        "textarea",
        "title",
    ),
    *("textarea", "title", "track", "video", "xmp"),
}
_TAG_NAMES = "|".join(sorted(nh3.ALLOWED_TAGS | _CONTENT_DROPPED | _OTHER_ELEMENTS))
_MARKUP = re.compile(rf"<(?:/?(?:{_TAG_NAMES})(?=[\s/>])|!|\?)[^>]*>", re.IGNORECASE)
_NOT_MARKUP = re.compile(rf"<(?!/?(?:{_TAG_NAMES})[\s/>]|[!?])", re.IGNORECASE)
_BREAK = re.compile(r"<(?=/?(?:blockquote|br|div|dd|dt|h[1-6]|hr|li|p|td|th|tr)\b)", re.IGNORECASE)

_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")
_WEB_SCHEMES = frozenset({"http", "https"})


def plain_text(markup: str) -> str:
    """Read a line of text out of a title, author or tag: no tags, entities unescaped once, spaces collapsed.

    Feeds write markup where text is asked for and text where markup is asked for, whatever type they
    declare, so all are read alike: HTML's own tags are markup (scripts and styles go with their content),
    anything else in angle brackets is text. Such text comes back in ‹angle quotes›, so that a
    title stays harmless where somebody forgets to escape it.
    """
    text = printable(markup[:_MARKUP_LIMIT])
    if _MARKUP.search(text):
        text = _BREAK.sub(" <", _NOT_MARKUP.sub("&lt;", text))
        text = nh3.clean(text, tags=set(), clean_content_tags=_CONTENT_DROPPED)
    text = printable(html.unescape(text))
    return " ".join(in_angle_quotes(text).split())[:TEXT_LIMIT].rstrip()


def printable(text: str) -> str:
    """Remove control characters and all else that XML and terminals should not get; keep white space."""
    return _UNPRINTABLE.sub("", text)


def bounded_html(markup: str) -> str:
    """Keep a feed's HTML as it is, up to HTML_LIMIT characters and without what UTF-8 or XML cannot hold."""
    return _UNFIT_FOR_HTML.sub("", markup[:HTML_LIMIT]).strip()


def bounded_guid(guid: str) -> str | None:
    """Keep an entry's identifier as written, up to GUID_LIMIT characters; None when nothing is left."""
    return _UNFIT_FOR_LINK.sub("", guid).strip()[:GUID_LIMIT] or None


def usable_link(link: str, *, base: str) -> str | None:
    """Return a link as people click it, absolute, or None unless it is http(s) with a host.

    An absolute link stays byte for byte but for control characters and outer space (WHATWG URL §4.4
    ignores both); a relative one is resolved against `base` (RFC 3986 §5).
    """
    link = _UNFIT_FOR_LINK.sub("", link).strip()
    if not link or len(link) > LINK_LIMIT:
        return None
    try:
        absolute = link if _SCHEME.match(link) else urljoin(base, link)
        parts = urlsplit(absolute)
        usable = parts.scheme in _WEB_SCHEMES and parts.hostname and parts.port != 0
    except ValueError:
        return None
    return absolute if usable else None


def usable_media(written: Iterable[str | None], *, base: str) -> tuple[str, ...]:
    """List the addresses among those that an entry names for its media, each once, MEDIA_LIMIT at most."""
    usable = (usable_link(each, base=base) for each in written if each)
    return tuple(filter(None, dict.fromkeys(usable)))[:MEDIA_LIMIT]
