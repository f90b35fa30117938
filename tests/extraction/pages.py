"""Pages and feed entries, written by hand."""

from dataclasses import replace

from pipeline.model import Entry, Page

FRIDAY = 1_715_934_600.0  # 2024-05-17 08:30:00 UTC

ENTRY = Entry(
    link="https://news.example/2024/05/17/bridge",
    guid=None,
    title="Mayor opens the new bridge over the river",
    summary="<p>The mayor opened the new bridge over the river on Friday, two years late.</p>",
    content="",
    authors=(),
    tags=(),
    published_text=None,
    published_at=None,
    language=None,
)

PARAGRAPHS = (
    "The mayor opened the new bridge over the river on Friday, two years later than the city had promised.",
    "Some three hundred people walked across it within the first hour, many of them with bicycles or prams.",
    "“We have waited long enough for this,” said a teacher who lives on the eastern bank of the river.",
    "The bridge has cost eleven million euros, of which the region paid a little more than one half.",
    "A second bridge, further north, is planned for the end of the decade, if the money can be found.",
)


def page(html: str, *, url: str = ENTRY.link) -> Page:
    """Serve a page as UTF-8."""
    headers = (("Content-Type", "text/html; charset=utf-8"),)
    return Page(url=url, status=200, headers=headers, body=html.encode(), fetched_at=FRIDAY + 3_600)


def article(*, head: str = "", paragraphs: tuple[str, ...] = PARAGRAPHS, around: str = "") -> str:
    """Write an article page as sites do, with what stands around the article."""
    text = "".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)
    return f"""<html lang="en"><head><title>{ENTRY.title} | News Example</title>{head}</head><body>
        <nav><a href="/">Home</a> <a href="/world">World</a></nav>{around}
        <article><h1>{ENTRY.title}</h1>{text}</article><footer>© 2024 News Example</footer></body></html>"""


def entry(**changed: object) -> Entry:
    """Change some fields of the usual entry."""
    return replace(ENTRY, **changed)  # type: ignore[arg-type]
