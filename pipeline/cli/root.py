"""All commands. What is heavy is imported by the command that needs it: `--help` costs 0.1 s."""

from typing import Annotated

import typer

from pipeline.cli import (
    add,
    articles,
    asking,
    backup,
    changing,
    config,
    coverage,
    demo,
    doctor,
    evidence,
    feeds,
    health,
    hosts,
    importing,
    kibana,
    quarantine,
    reindex,
    reprocess,
    search,
    status,
    store,
    trace,
    up,
    verify,
)
from pipeline.cli.printing import show


def make_app() -> typer.Typer:
    """Put the commands together, in the order in which a newcomer needs them."""
    app = _group("Feeds in, searchable news out.")
    app.callback(invoke_without_command=False)(_root)
    app.command("demo")(demo.demo)
    app.command("add")(add.add)
    app.command("up")(up.up)
    app.command("search")(search.search)
    app.command("show")(articles.show_articles)
    app.command("trace")(trace.trace_articles)
    app.command("status")(status.status)
    app.command("coverage")(coverage.coverage)
    app.command("hosts")(hosts.hosts)
    app.add_typer(_feeds(), name="feeds")
    app.add_typer(_quarantine(), name="quarantine")
    app.add_typer(_reindex(), name="reindex")
    app.add_typer(_reprocess(), name="reprocess")
    app.command("remove")(articles.remove_articles)
    app.command("evidence")(evidence.evidence)
    app.command("verify")(verify.verify)
    app.command("backup")(backup.backup)
    app.command("restore")(backup.restore)
    app.command("setup")(config.setup)
    app.command("doctor")(doctor.doctor)
    app.add_typer(_kibana(), name="kibana")
    app.add_typer(_config(), name="config")
    app.add_typer(_store(), name="store")
    return app


def _root(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=lambda wanted: _tell_version() if wanted else None, is_eager=True),
    ] = False,
) -> None:
    """Feeds in, searchable news out."""


def _tell_version() -> None:
    from importlib.metadata import version

    show(f"wireroom {version('wireroom')}")
    raise typer.Exit


def _feeds() -> typer.Typer:
    group = _group("List, add, change, pause and remove feeds.")
    group.command("list")(feeds.list_feeds)
    group.command("show")(feeds.show_feeds)
    group.command("health")(health.feeds_health)
    group.command("set")(changing.set_feeds)
    group.command("poll")(asking.poll_feeds)
    group.command("moves")(asking.show_moves)
    group.command("import")(importing.import_feeds)
    group.command("export")(importing.export_feeds)
    group.command("pause")(feeds.pause_feeds)
    group.command("resume")(feeds.resume_feeds)
    group.command("remove")(feeds.remove_feeds)
    return group


def _quarantine() -> typer.Typer:
    group = _group("See what should not have happened, and try it again.", needs_command=False)
    group.callback(invoke_without_command=True)(quarantine.quarantine)
    group.command("list")(quarantine.list_quarantine)
    group.command("show")(quarantine.show_quarantine)
    group.command("replay")(quarantine.replay_quarantine)
    group.command("drop")(quarantine.drop_quarantine)
    return group


def _reindex() -> typer.Typer:
    group = _group("Build the index anew from the store, prove it, exchange it.", needs_command=False)
    group.callback(invoke_without_command=True)(reindex.reindex)
    group.command("status")(reindex.reindex_status)
    group.command("rollback")(reindex.reindex_rollback)
    return group


def _reprocess() -> typer.Typer:
    group = _group("Read stored pages again with newer extractors and models.", needs_command=False)
    group.callback(invoke_without_command=True)(reprocess.reprocess)
    group.command("status")(reprocess.reprocess_status)
    group.command("stop")(reprocess.reprocess_stop)
    return group


def _kibana() -> typer.Typer:
    group = _group("Data views, dashboards and saved searches for Kibana.")
    group.command("install")(kibana.install_kibana)
    group.command("export")(kibana.export_kibana)
    return group


def _config() -> typer.Typer:
    group = _group("See the settings.")
    group.command("show")(config.show_config)
    group.callback()(_no_more)  # else typer takes the only command for the group itself
    return group


def _store() -> typer.Typer:
    group = _group("Take the store elsewhere.")
    group.command("copy")(store.copy)
    group.callback()(_no_more_either)
    return group


def _no_more() -> None:
    """See the settings."""


def _no_more_either() -> None:
    """Take the store elsewhere."""


def _group(text: str, *, needs_command: bool = True) -> typer.Typer:
    return typer.Typer(
        help=text,
        no_args_is_help=needs_command,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 100},
    )
