"""All that is shipped to Kibana, in the order of an export: what is referred to comes first."""

from kibana.declarations import Dashboard, DataView, SavedSearch
from kibana.entities import ENTITIES
from kibana.lens import Json
from kibana.news import FROM_THE_FEED, LATEST_STORIES, NEWS_OVERVIEW
from kibana.pipeline_health import FEEDS_AND_PIPELINE, LATEST_PROBLEMS
from kibana.saved_objects import dashboard, data_view, ndjson, saved_search
from kibana.views import ARTICLES, EVENTS

VIEWS: tuple[DataView, ...] = (ARTICLES, EVENTS)
SEARCHES: tuple[SavedSearch, ...] = (LATEST_STORIES, FROM_THE_FEED, LATEST_PROBLEMS)
DASHBOARDS: tuple[Dashboard, ...] = (NEWS_OVERVIEW, ENTITIES, FEEDS_AND_PIPELINE)


def saved_objects() -> tuple[Json, ...]:
    """Write every saved object."""
    views = tuple(data_view(each) for each in VIEWS)
    searches = tuple(saved_search(each) for each in SEARCHES)
    return views + searches + tuple(dashboard(each) for each in DASHBOARDS)


def export() -> str:
    """Write the export file; the same declarations give the same bytes."""
    return ndjson(saved_objects())
