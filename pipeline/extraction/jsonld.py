"""What a page says of its article in JSON-LD (schema.org)."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from typing import Any

from pipeline.extraction.markup import Markup
from pipeline.extraction.plain import one_line, plain_text, tidy

NODE_LIMIT = 500  # nodes looked at in one page; real ones have under 50
AUTHOR_LIMIT = 20

_ARTICLE = re.compile(r"(?:^|[/:])\w*(Article|Posting|Report|Review)$")
_AROUND_JSON = re.compile(
    r"^\s*(?:<!--|/\*\s*<!\[CDATA\[\s*\*/|//\s*<!\[CDATA\[|<!\[CDATA\[)\s*|\s*(?:-->|/?/?\*?\s*\]\]>\s*(?:\*/)?|;)\s*$"
)
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_HOLDERS = ("@graph", "mainEntity", "mainEntityOfPage")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleClaims:
    """Hold a page's own claims about its article; what it does not say is empty."""

    headline: str = ""
    body: str = ""
    authors: tuple[str, ...] = ()
    publisher: str = ""
    published: str = ""  # as written
    language: str = ""


def read_claims(markup: Markup) -> ArticleClaims:
    """Read the article node of a page's JSON-LD: the first with an `articleBody`, or else the first."""
    nodes = [node for text in markup.linked_data for node in _nodes(_load(text)) if _is_article(node)]
    if not nodes:
        return ArticleClaims()
    node = next((each for each in nodes if _text(each.get("articleBody"))), nodes[0])
    return ArticleClaims(
        headline=one_line(unescape(_text(node.get("headline")) or _text(node.get("name")))),
        body=_body(_text(node.get("articleBody"))),
        authors=tuple(_names(node.get("author") or node.get("creator")))[:AUTHOR_LIMIT],
        publisher=next(_names(node.get("publisher")), ""),
        published=_text(node.get("datePublished")),
        language=_text(node.get("inLanguage")),
    )


def _load(text: str) -> Any:
    try:
        return json.loads(_AROUND_JSON.sub("", text), strict=False)
    except (ValueError, RecursionError):
        return None


def _nodes(loaded: Any) -> Iterator[dict[str, Any]]:
    """Walk the nodes that stand for the page itself; lists of other articles are not entered."""
    waiting = [loaded]
    for _ in range(NODE_LIMIT):
        if not waiting:
            return
        node = waiting.pop(0)
        if isinstance(node, list):
            waiting[:0] = node[:NODE_LIMIT]
        elif isinstance(node, dict):
            yield node
            waiting.extend(node[key] for key in _HOLDERS if key in node)


def _is_article(node: dict[str, Any]) -> bool:
    kinds = node.get("@type")
    return any(_ARTICLE.search(str(kind)) for kind in (kinds if isinstance(kinds, list) else [kinds]))


def _text(value: Any) -> str:
    if isinstance(value, list):
        parts = [part for part in value if isinstance(part, str)]
        return "\n".join(parts)
    if isinstance(value, dict):
        value = value.get("@value") or value.get("name")
    return value if isinstance(value, str) else ""


def _names(value: Any) -> Iterator[str]:
    for each in value if isinstance(value, list) else [value]:
        if name := one_line(unescape(_text(each))):
            yield name


def _body(text: str) -> str:
    if _TAG.search(text):
        return plain_text(text)
    text = unescape(text)
    return plain_text(text) if _TAG.search(text) else tidy(text)
