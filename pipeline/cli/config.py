"""`wireroom config show` and `wireroom setup`."""

from pipeline.cli.opening import make_home, setting_origins, settings
from pipeline.cli.options import Json
from pipeline.cli.printing import as_json, columns, json_line, show


def show_config(json: Json = False) -> None:
    """Show every setting and where it came from."""
    origins = setting_origins(settings())
    if json:
        for origin in origins:
            json_line(as_json(origin))
    else:
        show(
            columns([(each.name, each.value, each.source) for each in origins], ("setting", "value", "from"))
        )


def setup() -> None:
    """Create the store, or migrate it to this version; install the index's templates in Elasticsearch."""
    from pipeline.services import set_up, set_up_index
    from pipeline.settings import EMBEDDED

    chosen = settings()
    make_home(chosen)
    changed = set_up(chosen)
    show(f"the store in {chosen.home} is {'ready: created or migrated' if changed else 'up to date'}")
    mended = set_up_index(chosen)
    for each in mended:
        show(f"installed, since {each}")
    if chosen.index_url != EMBEDDED and not mended:
        show("the templates of the index are up to date")
