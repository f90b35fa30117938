"""The two data views: articles behind their alias, and the pipeline's events in their data stream."""

from kibana.declarations import DataView

ARTICLES = DataView(
    id="wireroom-articles",
    index="wireroom-articles",
    name="Wireroom: articles",
    time_field="@timestamp",
    links=("url.original",),
    durations=("lag_s",),
)

EVENTS = DataView(
    id="wireroom-events",
    index="wireroom-events",
    name="Wireroom: pipeline events",
    time_field="@timestamp",
    links=("feed.url", "url.original"),
    durations=("lag.found_s", "lag.published_s"),
)
