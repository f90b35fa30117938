"""Dashboard *News overview*: what is in the news, from whom, about whom."""

from kibana.declarations import (
    Chart,
    Control,
    Dashboard,
    Listing,
    Metric,
    Operation,
    OverTime,
    Panel,
    Row,
    SavedSearch,
    Top,
)
from kibana.views import ARTICLES

LATEST_STORIES = SavedSearch(
    id="wireroom-latest-stories",
    title="Latest stories",
    description="Articles, newest first, with the people, organizations and places they name.",
    view=ARTICLES,
    columns=(
        "title",
        "outlet.name",
        "language",
        "entities.person",
        "entities.organization",
        "entities.place",
        "url.original",
    ),
)

FROM_THE_FEED = SavedSearch(
    id="wireroom-from-the-feed",
    title="Articles without their page",
    description="Articles whose page could not be had, and why; what the feed said of them is indexed.",
    view=ARTICLES,
    columns=("partial", "title", "outlet.name", "text_source", "url.original"),
    query="partial: *",
)

NEWS_OVERVIEW = Dashboard(
    id="wireroom-news-overview",
    title="Wireroom: News overview",
    description=(
        "How much is written, by whom and in which language; the people, organizations and places that are "
        "named; what stands out against everything that is indexed; and the latest stories."
    ),
    since="now-7d",
    controls=(
        Control(id="outlet", title="Outlet", field="outlet.name", view=ARTICLES),
        Control(id="language", title="Language", field="language", view=ARTICLES),
        Control(id="tag", title="Tag", field="tags", view=ARTICLES),
    ),
    rows=(
        Row(
            height=5,
            panels=(
                Panel(
                    id="articles",
                    title="Articles",
                    description="Articles of the chosen time.",
                    chart=Chart.NUMBER,
                    view=ARTICLES,
                    width=12,
                ),
                Panel(
                    id="outlets",
                    title="Outlets",
                    description="Outlets that published them (approximate above some thousands).",
                    chart=Chart.NUMBER,
                    view=ARTICLES,
                    width=12,
                    metrics=(Metric(label="outlets", operation=Operation.UNIQUE, field="outlet.domain"),),
                ),
                Panel(
                    id="languages",
                    title="Languages",
                    description="Languages they are written in.",
                    chart=Chart.NUMBER,
                    view=ARTICLES,
                    width=12,
                    metrics=(Metric(label="languages", operation=Operation.UNIQUE, field="language"),),
                ),
                Panel(
                    id="lag",
                    title="Published to found",
                    description="Median time from an article's own date until a feed showed it to Wireroom.",
                    chart=Chart.NUMBER,
                    view=ARTICLES,
                    width=12,
                    metrics=(Metric(label="median", operation=Operation.MEDIAN, field="lag_s"),),
                ),
            ),
        ),
        Row(
            height=12,
            panels=(
                Panel(
                    id="by-outlet",
                    title="Articles by outlet",
                    description="Articles over time: the outlets that write most, and the others together.",
                    chart=Chart.BARS,
                    view=ARTICLES,
                    width=32,
                    splits=(OverTime(), Top(label="outlet", field="outlet.name", size=9, others=True)),
                ),
                Panel(
                    id="by-language",
                    title="Articles by language",
                    description="The languages with the most articles.",
                    chart=Chart.DONUT,
                    view=ARTICLES,
                    width=16,
                    splits=(Top(label="language", field="language", size=8, others=True),),
                ),
            ),
        ),
        Row(
            height=14,
            panels=tuple(
                Panel(
                    id=id,
                    title=title,
                    description=f"{title} by the number of articles that name them.",
                    chart=Chart.TABLE,
                    view=ARTICLES,
                    width=16,
                    splits=(Top(label=title.lower(), field=field, size=50),),
                )
                for id, title, field in (
                    ("people", "People", "entities.person"),
                    ("organizations", "Organizations", "entities.organization"),
                    ("places", "Places", "entities.place"),
                )
            ),
        ),
        Row(
            height=14,
            panels=(
                Panel(
                    id="significant",
                    title="What stands out",
                    description=(
                        "Names that are more frequent in what is chosen than in all that is indexed "
                        "(significant terms). Empty when all that is indexed is chosen."
                    ),
                    chart=Chart.CLOUD,
                    view=ARTICLES,
                    width=32,
                    splits=(Top(label="name", field="entities.all", size=40, significant=True),),
                ),
                Panel(
                    id="text-sources",
                    title="Where the text came from",
                    description="The page, a second reading of it, its JSON-LD, or only what the feed said.",
                    chart=Chart.DONUT,
                    view=ARTICLES,
                    width=16,
                    splits=(Top(label="text from", field="text_source", size=8),),
                ),
            ),
        ),
        Row(height=20, panels=(Listing(id="latest", search=LATEST_STORIES),)),
    ),
)
