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
    """Create the store, or migrate it to this version."""
    from pipeline.services import set_up

    chosen = settings()
    make_home(chosen)
    changed = set_up(chosen)
    show(f"the store in {chosen.home} is {'ready: created or migrated' if changed else 'up to date'}")
