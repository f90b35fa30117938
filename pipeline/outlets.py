"""Outlets: who publishes what, by registrable domain, named and overridden in `outlets.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import SettingsError

FILE_NAME = "outlets.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlet:
    """Hold what a person said of an outlet."""

    name: str
    country: str | None = None  # ISO 3166-1 alpha-2
    kind: str | None = None


def read_outlets(home: Path) -> Mapping[str, Outlet]:
    """Read `$WIREROOM_HOME/outlets.toml`: a table a domain, with `name` and, if wanted, `country` and `kind`.

    Raises SettingsError with one line when the file is no TOML or a table holds something else.
    """
    path = home / FILE_NAME
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
        outlets = {domain.lower(): Outlet(**table) for domain, table in tables.items()}
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from None
    except TypeError:
        raise _malformed(path) from None
    told = (text for each in outlets.values() for text in (each.name, each.country or "", each.kind or ""))
    if not all(isinstance(text, str) for text in told):
        raise _malformed(path)
    return outlets


def _malformed(path: Path) -> SettingsError:
    # The quotation marks matter: [example.org] is a table org in a table example.
    return SettingsError(f'{path}: write tables like ["example.org"] with name, country and kind, all texts')
