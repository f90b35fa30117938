"""Render the sample news web's pages and feeds from templates, with dates relative to a starting time."""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from importlib.resources.abc import Traversable
from itertools import count
from typing import Literal
from urllib.parse import urljoin

from jinja2 import Environment, FunctionLoader, StrictUndefined

from pipeline.demo.content import Article, Feed, Notice, Outlet, Wording

RELATED = 4  # links below an article
MONTHS = {
    "en": "January February March April May June July August September October November December",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Say when the news web was started and when its edits were published (None: not yet)."""

    started: datetime
    edited: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Hold one paragraph or subheading of a text."""

    kind: Literal["p", "h2"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """Hold an article as it reads at one moment; `url` is absolute, times are in the outlet's zone."""

    article: Article
    url: str
    wording: Wording
    blocks: tuple[Block, ...]
    published: datetime
    updated: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Hold one feed entry; `link` is absolute or None, `title_html` may hold markup."""

    guid: str
    link: str | None
    title: str
    title_html: str
    summary: str
    blocks: tuple[Block, ...]
    section: str | None
    authors: tuple[str, ...]
    tags: tuple[str, ...]
    published: datetime
    updated: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Hold one outlet together with the address it is served at, such as `http://127.0.0.1:8631`."""

    outlet: Outlet
    origin: str


def open_templates(root: Traversable) -> Environment:
    """Return the Jinja environment of the templates in the folder `root`, compiled when first used."""

    def load(name: str) -> str:
        return (root / name).read_text(encoding="utf-8")

    templates = Environment(
        loader=FunctionLoader(load),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"rfc822": format_datetime, "dateline": dateline, "absolute": urljoin}
    return templates


def story(site: Site, article: Article, moment: Moment) -> Story:
    """Tell an article as it reads at `moment`."""
    edited = article.edited if moment.edited else None
    wording = edited or article.wording
    published = _time(site, article.hours_ago, moment)
    updated = moment.edited.astimezone(published.tzinfo) if edited and moment.edited else published
    return Story(
        article=article,
        url=site.origin + article.path,
        wording=wording,
        blocks=_blocks(wording.text),
        published=published,
        updated=updated,
    )


def page_html(templates: Environment, site: Site, article: Article, moment: Moment) -> str:
    """Render an article's page in its outlet's template, or as a gallery without text."""
    template = "gallery.html" if article.gallery_images else f"{site.outlet.slug}.html"
    related = [each for each in _newest_first(site) if each.number != article.number][:RELATED]
    return templates.get_template(template).render(
        outlet=site.outlet,
        origin=site.origin,
        story=story(site, article, moment),
        stories=[story(site, each, moment) for each in related],
        comments=_some_comments(site.outlet, article),
    )


def print_html(templates: Environment, site: Site, article: Article, moment: Moment) -> str:
    """Render an article's bare copy for printing, whose canonical link names the article's own page."""
    return templates.get_template("print.html").render(outlet=site.outlet, story=story(site, article, moment))


def front_html(templates: Environment, site: Site, moment: Moment) -> str:
    """Render an outlet's front page: its articles, newest first, and `link rel=alternate` to its feeds."""
    return templates.get_template(f"{site.outlet.slug}.html").render(
        outlet=site.outlet,
        origin=site.origin,
        story=None,
        stories=[story(site, each, moment) for each in _newest_first(site)],
        comments=(),
    )


def answer_html(templates: Environment, site: Site, name: str) -> str:
    """Render a page that is no article: `missing`, `gone` or `blocked`."""
    return templates.get_template(f"{name}.html").render(outlet=site.outlet)


def feed_text(templates: Environment, site: Site, feed: Feed, moment: Moment) -> str:
    """Render a feed, newest entry first."""
    items = feed_items(site, feed, moment)
    return templates.get_template(f"feeds/{feed.kind}").render(
        outlet=site.outlet,
        origin=site.origin,
        feed=feed,
        items=items,
        updated=newest(items),
    )


def feed_items(site: Site, feed: Feed, moment: Moment) -> list[Item]:
    """List a feed's entries, newest first."""
    articles = [
        _article_item(site, feed, story(site, article, moment))
        for article in site.outlet.articles
        if article.in_feeds and feed.section in (None, article.section)
    ]
    notices = [
        _notice_item(site, number, notice, moment)
        for number, notice in zip(count(1), site.outlet.notices, strict=False)
        if notice.feed == feed.path
    ]
    return sorted(articles + notices, key=lambda item: item.published, reverse=True)


def newest(items: list[Item]) -> datetime:
    """Return when a feed last changed."""
    return max(item.updated for item in items)


def dateline(moment: datetime, language: str) -> str:
    """Write a date and time as a newspaper in that language does."""
    if language == "ja":
        return f"{moment.year}年{moment.month}月{moment.day}日 {moment:%H時%M分}"
    month = MONTHS[language].split()[moment.month - 1]
    if language == "fr":
        return f"{moment.day} {month} {moment.year} à {moment:%Hh%M}"
    if language == "de":
        return f"{moment.day}. {month} {moment.year}, {moment:%H.%M} Uhr"
    return f"{moment.day} {month} {moment.year}, {moment:%H:%M}"


def _time(site: Site, hours_ago: float, moment: Moment) -> datetime:
    zone = timezone(timedelta(hours=site.outlet.utc_offset_hours))
    return (moment.started - timedelta(hours=hours_ago)).astimezone(zone).replace(second=0, microsecond=0)


def _blocks(text: str) -> tuple[Block, ...]:
    return tuple(
        Block(kind="h2", text=part[3:]) if part.startswith("## ") else Block(kind="p", text=part)
        for part in text.strip().split("\n\n")
        if part
    )


def _newest_first(site: Site) -> list[Article]:
    public = [article for article in site.outlet.articles if article.in_feeds]
    return sorted(public, key=lambda article: article.hours_ago)


def _some_comments(outlet: Outlet, article: Article) -> tuple[object, ...]:
    """Pick two comments, others for the next article."""
    size = len(outlet.comments)
    return tuple(outlet.comments[(article.number + turn) % size] for turn in range(min(2, size)))


def _article_item(site: Site, feed: Feed, told: Story) -> Item:
    link = site.origin + told.article.feed_path
    if feed.tracking:
        link += ("&" if "?" in link else "?") + feed.tracking
    return Item(
        guid=f"{site.outlet.slug}-{told.article.number}",
        link=link,
        title=told.wording.title,
        title_html=told.article.feed_title or told.wording.title,
        summary=told.wording.summary,
        blocks=told.blocks,
        section=told.article.section,
        authors=told.article.authors,
        tags=told.article.tags,
        published=told.published,
        updated=told.updated,
    )


def _notice_item(site: Site, number: int, notice: Notice, moment: Moment) -> Item:
    published = _time(site, notice.hours_ago, moment)
    return Item(
        guid=f"{site.outlet.slug}-notice-{number}",
        link=urljoin(site.origin, notice.link) if notice.link else None,
        title=notice.title,
        title_html=notice.title,
        summary=notice.summary,
        blocks=(),
        section=None,
        authors=notice.authors,
        tags=(),
        published=published,
        updated=published,
    )
