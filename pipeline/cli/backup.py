"""`wireroom backup` and `restore`: the embedded store, copied while it runs and put back."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.articles import PUT_BACK
from pipeline.cli.opening import is_store_absent, make_home, settings
from pipeline.cli.options import Json
from pipeline.cli.printing import as_json, counted, json_line, note, one_line, rfc3339, show
from pipeline.errors import UsageError, WireroomError

if TYPE_CHECKING:
    from pipeline.settings import Settings
    from pipeline.store.backup import Contents, Restored
    from pipeline.store.store import Store

SERVER = "the store is on a PostgreSQL server: use `{}` (Backup in docs/operating.md)"

File = Annotated[Path, typer.Argument(metavar="FILE", show_default=False)]


def backup(file: File, json: Json = False) -> None:
    """Copy the embedded store into a file, as it is at one moment, while it runs."""
    from pipeline.store.backup import back_up

    chosen = settings()
    path = _store_file(chosen, "pg_dump -Fc")
    if is_store_absent(chosen):
        raise WireroomError(f"there is no store in {chosen.home} to back up")
    if file.resolve() == path.resolve():
        raise UsageError(f"{file} is the store itself")
    contents = back_up(path, file)
    left_out = [str(chosen.archive_folder), *(str(each) for each in sorted(chosen.home.glob("*.toml")))]
    if json:
        json_line({"file": str(file), **as_json(contents), "left_out": left_out})
        return
    show(f"{file}: {_told(contents)}")
    note(
        f"left out, to be copied after it: {', '.join(left_out)}; and the index, which is made from the store"
    )


def restore(
    file: File,
    replace: Annotated[
        bool, typer.Option("--replace", help="Although there is a store; that is kept beside it.")
    ] = False,
    json: Json = False,
) -> None:
    """Put a backup in the embedded store's place; index rests until you have looked."""
    from pipeline.archive.errors import ArchiveError
    from pipeline.removing import erase_article
    from pipeline.store.backup import restore as put_back
    from workers.home_lock import hold_home

    chosen = settings()
    path = _store_file(chosen, "pg_restore")

    def remove(store: "Store", id: str, reason: str) -> None:
        try:
            erase_article(store, chosen.archive_folder, id, reason=reason)
        except ArchiveError as error:  # of the store it is removed; an archive that is lost must not bar that
            note(f"{id} is removed, but not from the archive: {error}; {PUT_BACK}")

    make_home(chosen)
    with hold_home(chosen.home):
        restored = put_back(file, path, replace=replace, remove=remove)
    if json:
        json_line(as_json(restored))
    else:
        _tell(restored)


def _tell(restored: "Restored") -> None:
    show(f"restored: {_told(restored.contents)}")
    show(*(f"removed again: {one_line(url)}" for url in restored.removed))
    if restored.replaced:
        note(f"the store that was there is kept as {restored.replaced}")
    if not restored.is_past_known:
        note("a store from before cannot be read, so nobody knows what was removed from it since the backup")
    note(
        "nothing is indexed yet: remove again what was removed since the backup, then"
        " `wireroom verify --repair` or `wireroom reindex`"
    )


def _store_file(chosen: "Settings", instead: str) -> Path:
    """Tell which file the store is. Raises UsageError for a server's."""
    from sqlalchemy import make_url

    url = make_url(chosen.sql_url)
    if url.get_backend_name() != "sqlite" or not url.database:
        raise UsageError(SERVER.format(instead))
    return Path(url.database)


def _told(contents: "Contents") -> str:
    until = f", up to {rfc3339(contents.newest_at)}" if contents.newest_at else ""
    parts = (counted(contents.feeds, "feed"), counted(contents.articles, "article"))
    return f"{', '.join(parts)}, {counted(contents.documents, 'document')}{until}"
