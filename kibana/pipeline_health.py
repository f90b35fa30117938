"""Dashboard *Feeds and pipeline*: how fast news arrive, what becomes of them, and which feeds are ill."""

from kibana.declarations import (
    Chart,
    Control,
    Dashboard,
    Listing,
    Metric,
    Named,
    Operation,
    OverTime,
    Panel,
    Row,
    SavedSearch,
    Top,
)
from kibana.views import EVENTS

NEW = "event.outcome: found"
INDEXED = "event.outcome: indexed"
DROPPED = "event.outcome: dropped"
QUARANTINED = "event.outcome: quarantined"
POLLED = "event.action: poll and event.outcome: (polled or unchanged)"
POLL_FAILED = "event.action: poll and event.outcome: failed"

LATEST_PROBLEMS = SavedSearch(
    id="wireroom-latest-problems",
    title="Latest problems",
    description="Polls and stages that failed, and what went into quarantine, newest first.",
    view=EVENTS,
    columns=("event.action", "event.outcome", "event.reason", "message", "feed.url", "url.original"),
    query="event.outcome: (failed or quarantined or page-missing)",
)

ARTICLES_COUNTED = Metric(label="articles", operation=Operation.UNIQUE, field="article.id")

FEEDS_AND_PIPELINE = Dashboard(
    id="wireroom-feeds-and-pipeline",
    title="Wireroom: Feeds and pipeline",
    description=(
        "The time from publication to the index, what becomes of what the feeds show, why articles are "
        "dropped or indexed without their page, and the health of each feed. From the pipeline's events."
    ),
    since="now-24h",
    controls=(
        Control(id="feed", title="Feed", field="feed.url", view=EVENTS),
        Control(id="host", title="Host of the article", field="url.domain", view=EVENTS),
    ),
    rows=(
        Row(
            height=5,
            panels=(
                Panel(
                    id="indexed",
                    title="Indexed",
                    description="Articles that were indexed, anew or again.",
                    chart=Chart.NUMBER,
                    view=EVENTS,
                    width=12,
                    metrics=(ARTICLES_COUNTED,),
                    query=INDEXED,
                ),
                Panel(
                    id="median-lag",
                    title="Published to indexed",
                    description="Median time from an article's date in its feed until it was first indexed.",
                    chart=Chart.NUMBER,
                    view=EVENTS,
                    width=12,
                    metrics=(Metric(label="median", operation=Operation.MEDIAN, field="lag.published_s"),),
                ),
                Panel(
                    id="failing-feeds",
                    title="Feeds that failed",
                    description="Feeds of which at least one poll failed.",
                    chart=Chart.NUMBER,
                    view=EVENTS,
                    width=12,
                    metrics=(Metric(label="feeds", operation=Operation.UNIQUE, field="feed.url"),),
                    query=POLL_FAILED,
                ),
                Panel(
                    id="quarantined",
                    title="Quarantined",
                    description="Articles that went into quarantine: `wireroom quarantine`.",
                    chart=Chart.NUMBER,
                    view=EVENTS,
                    width=12,
                    metrics=(ARTICLES_COUNTED,),
                    query=QUARANTINED,
                ),
            ),
        ),
        Row(
            height=12,
            panels=(
                Panel(
                    id="lag",
                    title="Lag until indexed",
                    description=(
                        "Of articles indexed for the first time: from their date in the feed (with the "
                        "feed's own delay), and from when a feed showed them (Wireroom's own)."
                    ),
                    chart=Chart.LINES,
                    view=EVENTS,
                    width=24,
                    metrics=(
                        Metric(
                            label="published, median", operation=Operation.MEDIAN, field="lag.published_s"
                        ),
                        Metric(label="found, median", operation=Operation.MEDIAN, field="lag.found_s"),
                        Metric(
                            label="found, 95th percentile",
                            operation=Operation.PERCENTILE_95,
                            field="lag.found_s",
                        ),
                    ),
                    splits=(OverTime(),),
                ),
                Panel(
                    id="funnel",
                    title="What becomes of articles",
                    description=(
                        "Articles by what happened to them in the chosen time; one that was found before it "
                        "and indexed in it counts as indexed only."
                    ),
                    chart=Chart.LYING_BARS,
                    view=EVENTS,
                    width=24,
                    metrics=(ARTICLES_COUNTED,),
                    splits=(
                        Named(
                            label="step",
                            queries=(
                                ("found", NEW),
                                ("page fetched", "event.outcome: fetched"),
                                ("page not to be had", "event.outcome: no-page"),
                                ("read", "event.outcome: enriched"),
                                ("indexed", INDEXED),
                                ("dropped", DROPPED),
                                ("quarantined", QUARANTINED),
                            ),
                        ),
                    ),
                ),
            ),
        ),
        Row(
            height=12,
            panels=(
                Panel(
                    id="dropped",
                    title="Dropped, by reason",
                    description="Why articles ended without being indexed.",
                    chart=Chart.DONUT,
                    view=EVENTS,
                    width=16,
                    metrics=(ARTICLES_COUNTED,),
                    splits=(Top(label="reason", field="event.reason", size=10),),
                    query=DROPPED,
                ),
                Panel(
                    id="without-page",
                    title="Without their page, by reason",
                    description="Why pages could not be had; such an article is indexed from its feed.",
                    chart=Chart.DONUT,
                    view=EVENTS,
                    width=16,
                    metrics=(ARTICLES_COUNTED,),
                    splits=(Top(label="reason", field="event.reason", size=10),),
                    query="event.outcome: no-page",
                ),
                Panel(
                    id="failed-polls",
                    title="Failed polls, by reason",
                    description="Why feeds could not be read.",
                    chart=Chart.DONUT,
                    view=EVENTS,
                    width=16,
                    metrics=(Metric(label="polls"),),
                    splits=(Top(label="reason", field="event.reason", size=10),),
                    query=POLL_FAILED,
                ),
            ),
        ),
        Row(
            height=10,
            panels=(
                Panel(
                    id="steps",
                    title="Steps over time",
                    description="What the pipeline did, by stage.",
                    chart=Chart.BARS,
                    view=EVENTS,
                    width=48,
                    metrics=(Metric(label="steps"),),
                    splits=(OverTime(), Top(label="stage", field="event.action", size=8)),
                ),
            ),
        ),
        Row(
            height=16,
            panels=(
                Panel(
                    id="feed-health",
                    title="Feed health",
                    description=(
                        "Feeds with failed polls first: how often each was asked, what it brought, when it "
                        "last answered, and the last reason why it did not."
                    ),
                    chart=Chart.TABLE,
                    view=EVENTS,
                    width=48,
                    metrics=(
                        Metric(label="failed polls", only=POLL_FAILED),
                        Metric(label="good polls", only=POLLED),
                        Metric(label="new articles", only=NEW),
                        Metric(
                            label="last good poll",
                            operation=Operation.MAX,
                            field="@timestamp",
                            only=POLLED,
                            is_date=True,
                        ),
                        Metric(
                            label="last reason",
                            operation=Operation.LAST,
                            field="event.reason",
                            only=POLL_FAILED,
                        ),
                    ),
                    splits=(Top(label="feed", field="feed.url", size=100),),
                ),
            ),
        ),
        Row(height=16, panels=(Listing(id="problems", search=LATEST_PROBLEMS),)),
    ),
)
