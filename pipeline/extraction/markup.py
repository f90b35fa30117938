"""One parse of a page, shared by everything that reads it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import lxml.html
from lxml.etree import ParserError, strip_elements

_NOT_SHOWN = ("script", "style", "svg", "template")

DEPTH_FAULT = "ERR_RESOURCE_LIMIT"  # libxml2 stops at 256 levels; what lies deeper is not in the tree


@dataclass(frozen=True)
class Markup:
    """Hold a page's source and its tree."""

    source: str
    tree: lxml.html.HtmlElement  # without scripts, styles and drawings: every walk is a tenth shorter
    linked_data: tuple[str, ...]  # the JSON-LD scripts
    too_deep: bool  # the tree ends where libxml2 gave up

    def texts(self, path: str) -> Iterator[str]:
        """Give the text of each element at an XPath, without what is empty."""
        for element in self.tree.xpath(path):
            if text := " ".join(element.text_content().split()):
                yield text

    def meta(self, *names: str) -> str:
        """Return the content of the first of these <meta>s that has one; the empty string when none has."""
        return next((self._metas[name] for name in names if self._metas.get(name)), "")

    @cached_property
    def _metas(self) -> dict[str, str]:
        """Give the first content of each <meta> by its lower-case `property`, `name` or `itemprop`."""
        found: dict[str, str] = {}
        for element in self.tree.iter("meta"):
            key = element.get("property") or element.get("name") or element.get("itemprop") or ""
            found.setdefault(key.lower(), (element.get("content") or "").strip())
        return found


def parse(source: str) -> Markup | None:
    """Parse a page; None when there is nothing in it. Never fails, whatever the text is.

    Line breaks of the source are spaces in HTML, and are made so: trafilatura would end paragraphs at them.
    """
    parser = lxml.html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, collect_ids=False)
    try:
        encoded = source.replace("\r", " ").replace("\n", " ").encode("utf-8", "replace")
        tree = lxml.html.document_fromstring(encoded, parser=parser)
    except (ParserError, ValueError):
        return None
    linked_data = tuple(_linked_data(tree))
    strip_elements(tree, *_NOT_SHOWN, with_tail=False)
    too_deep = any(entry.type_name == DEPTH_FAULT for entry in parser.error_log)
    return Markup(source=source, tree=tree, linked_data=linked_data, too_deep=too_deep)


def _linked_data(tree: lxml.html.HtmlElement) -> Iterator[str]:
    for script in tree.iter("script"):
        kind = (script.get("type") or "").strip().lower()
        if kind.startswith("application/ld+json") and script.text:
            yield script.text
