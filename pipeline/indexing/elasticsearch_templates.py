"""Install the templates of the indices, and notice when they are not what this version would install."""

from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from elasticsearch import NotFoundError

from pipeline.indexing.elasticsearch_client import Connection
from pipeline.indexing.elasticsearch_events import EVENTS_STREAM, events_template
from pipeline.indexing.elasticsearch_source import mapping_file

ALIAS: Final = "wireroom-articles"
PRIORITY: Final = 500  # above the 100 to 200 of the templates that Elasticsearch brings

Body = dict[str, Any]


def install_templates(connection: Connection, *, keep_events: float | None = None) -> tuple[str, ...]:
    """Install what is missing, changed by hand or of another version; name what was wrong with each.

    `keep_events` is for how many seconds a new stream of events keeps them. Raises IndexUnavailableError.
    """
    with connection.asking():
        wrong = tuple(_differences(connection))
        if wrong:
            for name, body in _components().items():
                connection.client.cluster.put_component_template(name=name, **body)
            for name, body in _templates(keep_events).items():
                connection.client.indices.put_index_template(name=name, **body)
    return wrong


def template_faults(connection: Connection) -> tuple[str, ...]:
    """Say, a line each, which templates are missing, of another version, or changed by hand."""
    with connection.asking():
        return tuple(_differences(connection))


def meta() -> Body:
    """Tell who keeps a template, and by which mapping."""
    return {"managed_by": "wireroom", "app_version": _app_version(), "mapping_version": mapping_version()}


def mapping_version() -> int:
    """Give the version of the mapping file; it grows with every change after which an index is built anew."""
    number: int = mapping_file()["version"]
    return number


def article_mappings() -> Body:
    """Give the mappings of an articles' index, marked with their version."""
    marked = {"managed_by": "wireroom", "mapping_version": mapping_version()}
    return {**mapping_file()["mappings"], "_meta": marked}


def _components() -> dict[str, Body]:
    common = {"version": mapping_version(), "meta": meta()}
    settings = dict(mapping_file()["settings"]["index"])
    analysis = {
        "index": {"analysis": settings.pop("analysis")}
    }  # a template must know the analyzers it names
    return {
        "wireroom-settings": {"template": {"settings": {"index": settings}}, **common},
        "wireroom-articles": {"template": {"settings": analysis, "mappings": article_mappings()}, **common},
    }


def _templates(keep_events: float | None = None) -> dict[str, Body]:
    common = {"version": mapping_version(), "meta": meta(), "priority": PRIORITY}
    return {
        "wireroom-articles": {
            "index_patterns": [f"{ALIAS}-*"],
            "composed_of": ["wireroom-settings", "wireroom-articles"],
            "allow_auto_create": False,  # a write never makes an index
            **common,
        },
        EVENTS_STREAM: {**events_template(EVENTS_STREAM, keep_s=keep_events), **common},
    }


def _differences(connection: Connection) -> Iterator[str]:
    for name, body in _components().items():
        try:
            answer = connection.client.cluster.get_component_template(name=name)
            found: Body | None = answer["component_templates"][0]["component_template"]
        except NotFoundError:
            found = None
        yield from _fault(f"component template {name}", body, found)
    for name, body in _templates().items():
        try:
            answer = connection.client.indices.get_index_template(name=name)
            found = answer["index_templates"][0]["index_template"]
        except NotFoundError:
            found = None
        yield from _fault(f"index template {name}", body, found)


def _fault(name: str, ours: Body, found: Body | None) -> Iterator[str]:
    if found is None:
        yield f"the {name} is missing"
        return
    theirs = found.get("_meta", {}).get("mapping_version")
    if theirs != mapping_version():
        yield f"the {name} is of mapping version {theirs}, this is {mapping_version()}"
    elif _comparable(ours) != _comparable({key: found.get(key) for key in ours if key != "meta"}):
        yield f"the {name} was changed by hand"


def _comparable(body: Mapping[str, Any]) -> Any:
    """Write a template as Elasticsearch gives it back: values of settings as text."""
    compared = {key: value for key, value in body.items() if key not in ("meta", "data_stream")}
    # How long events are kept is a setting, and the stream's own from its start.
    template = {key: value for key, value in compared.get("template", {}).items() if key != "lifecycle"}
    return _as_text(compared | {"template": template})


def _as_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_text(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_as_text(each) for each in value]
    return str(value).lower() if isinstance(value, bool) else str(value)


def _app_version() -> str:
    try:
        return version("wireroom")
    except PackageNotFoundError:
        return "unknown"
