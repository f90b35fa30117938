"""`wireroom search`: find articles by words and by entity."""

import time
from collections.abc import Sequence
from datetime import datetime
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pipeline.cli.combining import check_options
from pipeline.cli.export import export, export_again, read_rows
from pipeline.cli.feed_tags import note_feed_tags
from pipeline.cli.follow import follow as follow_hits
from pipeline.cli.opening import searcher, settings
from pipeline.cli.options import Json
from pipeline.cli.printing import columns, counted, json_line, note, one_line, show

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pipeline.search.request import Facet, Hit, Results, SearchRequest, Significant
    from pipeline.search.written import WrittenSearch

COLOURED = ("\x02", "\x03")
"""Around matched words until they are coloured: characters that no text shows."""

NAMES_SHOWN = 6
"""Entities shown of one hit."""

SNIPPETS_SHOWN = 2
FACETS_ABREAST = 3

Words = Annotated[
    str,
    typer.Argument(
        metavar="QUERY", help='In one pair of quotes: words, "phrases", person:merkel, AND OR NOT.'
    ),
]
Since = Annotated[str | None, typer.Option(help="From this date on: 2026-01-31, 7d, 24h.")]
Until = Annotated[str | None, typer.Option(help="Before this date.")]
By = Annotated[Literal["first_seen", "published"], typer.Option(help="The time that counts.")]
Some = Annotated[list[str], typer.Option(help="Only this; may be repeated.", metavar="NAME")]
Tags = Annotated[
    list[str],
    typer.Option(help="Only this tag of a publisher, not of a feed; may be repeated.", metavar="NAME"),
]
Order = Annotated[
    Literal["relevance", "newest", "oldest"] | None,
    typer.Option(help="What comes first: relevance; newest with --all."),
]
Size = Annotated[int, typer.Option(help="Articles a page.")]
After = Annotated[str | None, typer.Option(help="The cursor of the page before.")]
Facets = Annotated[str, typer.Option(help="person,organization,place,outlet,language,tag,day")]
Telling = Annotated[str, typer.Option(help="What the hits have above all articles: person,place,words…")]
Recent = Annotated[bool, typer.Option("--recent", help="Of equally good articles the newer first.")]
Zone = Annotated[str, typer.Option(help="Time zone of dates, as Europe/Berlin.")]
All = Annotated[bool, typer.Option("--all", help="Print every hit, as rows.")]
Form = Annotated[Literal["jsonl", "csv"], typer.Option("--format", help="The form of the rows.")]
Fields = Annotated[str, typer.Option(help="The columns of the rows: id,title,entities.person,…")]
Manifest = Annotated[
    Path | None,
    typer.Option(help="With --all: say in a new FILE what was found.", metavar="FILE", dir_okay=False),
]
FromManifest = Annotated[Path | None, typer.Option(help="Print the same rows again.", metavar="FILE")]
Follow = Annotated[
    bool, typer.Option("--follow", help="Print each new hit as it comes in; needs --cursor NAME and --json.")
]
Cursor = Annotated[str, typer.Option(help="With --follow: remembers what was printed.", metavar="NAME")]
As = Annotated[Literal["dsl", "kql"] | None, typer.Option("--as", help="Print the query for Kibana.")]
NONE: list[str] = []


def search(
    context: typer.Context,
    query: Words = "",
    since: Since = None,
    until: Until = None,
    by: By = "first_seen",
    language: Some = NONE,
    outlet: Some = NONE,
    entity: Some = NONE,
    tag: Tags = NONE,
    sort: Order = None,
    size: Size = 10,
    after: After = None,
    facets: Facets = "",
    significant: Telling = "",
    recent: Recent = False,
    tz: Zone = "UTC",
    all_hits: All = False,
    form: Form = "jsonl",
    fields: Fields = "",
    manifest: Manifest = None,
    from_manifest: FromManifest = None,
    follow: Follow = False,
    cursor: Cursor = "",
    kibana: As = None,
    json: Json = False,
) -> None:
    """Find articles by words and by entity: a page of them, or all."""
    from pipeline.search.query import Clock
    from pipeline.search.written import WrittenSearch

    way = check_options(_given(context))
    rows = read_rows(form, fields, json=json)
    written = WrittenSearch(
        query=query, since=since, until=until, by=Clock(by), language=tuple(language), outlet=tuple(outlet),
        entity=tuple(entity), tag=tuple(tag), tz=tz,
    )  # fmt: skip
    match way:
        case None:
            _page(
                written, sort=sort, size=size, after=after, facets=_names(facets),
                significant=_names(significant), recent=recent, json=json,
            )  # fmt: skip
        case "from-manifest" if from_manifest:
            export_again(from_manifest, rows)
        case "as":
            _translate(written, kibana)
        case "follow":
            follow_hits(written, cursor, rows)
        case _:
            export(written, rows, sort=sort, manifest=manifest)


def _translate(written: "WrittenSearch", language: str | None) -> None:
    """Print a search as Kibana takes it: KQL for its search bar, or the body of a search for Dev Tools."""
    from pipeline.search.written import read_written
    from pipeline.services import as_dsl, as_kql

    request = read_written(written, now=time.time())
    if language == "kql":
        show(as_kql(request))
    else:
        json_line({"query": as_dsl(request)})


def _given(context: typer.Context) -> frozenset[str]:
    """Name the options that were written, without their dashes."""
    written = (name for name in context.params if _is_written(context, name))
    options = {parameter.name: parameter.opts[0] for parameter in context.command.params}
    return frozenset(options[name].removeprefix("--") for name in written)


def _is_written(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _page(
    written: "WrittenSearch", *, sort: str | None, size: int, after: str | None, facets: Sequence[str],
    significant: Sequence[str], recent: bool, json: bool,
) -> None:  # fmt: skip
    from pipeline.search.request import MARKS, Sort
    from pipeline.search.written import read_written

    request = read_written(
        written, now=time.time(), sort=Sort(sort or Sort.RELEVANCE), size=size, after=after, facets=facets,
        significant=significant, recent=recent, marks=MARKS if json else COLOURED,
    )  # fmt: skip
    results = searcher(settings()).search(request)
    _tell(results, request, json=json)
    if not results.total:
        note_feed_tags(request)


def _tell(results: "Results", request: "SearchRequest", *, json: bool) -> None:
    from pipeline.search.render import results_json
    from pipeline.search.request import FEWEST_STANDING_OUT

    if json:
        json_line(results_json(results))
        return
    show(*results_screen(results, request))
    usual = [each.name for each in results.significant if not each.standouts]
    if usual:
        least = f"at least {FEWEST_STANDING_OUT} hits, and a larger share of them than of all articles"
        note(f"of {', '.join(usual)} nothing stands out: no value has {least}")
    if results.next:
        note(f"more: the same search with --after {results.next}")


def _names(written: str) -> list[str]:
    return [name.strip() for name in written.split(",") if name.strip()]


def results_screen(results: "Results", request: "SearchRequest") -> "Sequence[RenderableType]":
    """Lay out hits and facets."""
    from rich.text import Text

    sections: list[RenderableType] = [
        Text(f"{counted(results.total, 'article')} in {results.took_ms} ms", "dim")
    ]
    for hit in results.hits:
        sections += [Text(""), *hit_lines(hit, request)]
    counted_facets = [facet for facet in results.facets if facet.buckets]
    for start in range(0, len(counted_facets), FACETS_ABREAST):
        sections += [Text(""), facet_table(counted_facets[start : start + FACETS_ABREAST])]
    telling = [each for each in results.significant if each.standouts]
    for start in range(0, len(telling), FACETS_ABREAST):
        sections += [Text(""), significant_table(telling[start : start + FACETS_ABREAST])]
    return sections


def hit_lines(hit: "Hit", request: "SearchRequest") -> "list[RenderableType]":
    """Lay out one hit: title, where and when, what matched, who and where is in it."""
    from rich.padding import Padding
    from rich.text import Text

    facts = [one_line(hit.outlet_name), _when(hit, request), hit.language or "?"]
    facts += [hit.partial] if hit.partial else []
    people = [name for _, names in hit.entities for name in names][:NAMES_SHOWN]
    lines = [Text(" · ".join(facts), "dim"), *(_marked(text) for text in hit.highlights[:SNIPPETS_SHOWN])]
    if people:
        lines.append(Text(one_line(", ".join(people)), "cyan"))
    lines.append(Text(one_line(hit.url), "dim"))
    return [Text(one_line(hit.title), "bold"), *(Padding(line, (0, 0, 0, 2)) for line in lines)]


def _when(hit: "Hit", request: "SearchRequest") -> str:
    """Tell when an article was published; where hits stand by when they were first seen, tell that."""
    from pipeline.search.query import Clock
    from pipeline.search.request import Sort

    by_sight = request.sort is not Sort.RELEVANCE and request.by is Clock.FIRST_SEEN
    is_seen = by_sight or hit.published is None
    at = hit.first_seen_at if is_seen or hit.published is None else hit.published.at
    return ("seen " if is_seen else "") + datetime.fromtimestamp(at, request.zone).strftime("%Y-%m-%d %H:%M")


def facet_table(facets: "Sequence[Facet]") -> "RenderableType":
    """Lay facets out side by side: how many articles, and whose."""
    cells = [[f"{bucket.count:>3}  {one_line(bucket.value)}" for bucket in facet.buckets] for facet in facets]
    for facet, column in zip(facets, cells, strict=True):
        column += [f"… and {facet.other:,} more"] if facet.other else []
    return columns(list(zip_longest(*cells, fillvalue="")), [facet.name for facet in facets])


def significant_table(significant: "Sequence[Significant]") -> "RenderableType":
    """Lay out side by side what stands out: in how many of the hits looked through, of how many articles."""
    cells = [
        [f"{each.count:>3} of {each.background:,}  {one_line(each.value)}" for each in some.standouts]
        for some in significant
    ]
    return columns(list(zip_longest(*cells, fillvalue="")), [f"telling: {some.name}" for some in significant])


def _marked(highlight: str) -> "RenderableType":
    from rich.text import Text

    text = Text()
    for number, piece in enumerate(" ".join(highlight.split(" ")).split(COLOURED[0])):
        matched, _, rest = piece.partition(COLOURED[1]) if number else ("", "", piece)
        text.append(one_line(matched), "bold yellow")
        text.append(_kept_spaces(rest))
    return text


def _kept_spaces(text: str) -> str:
    """Make one line, and leave the spaces at its ends, which stand between matched words."""
    inner = one_line(text)
    before = " " if text[:1].isspace() else ""
    after = " " if text[-1:].isspace() and inner else ""
    return before + inner + after
