"""A store of each kind with an index beside it, and a newsroom that never rests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.services import Services, open_services, set_up
from pipeline.settings import Settings, read_settings


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Choose store and index: SQLite and PostgreSQL with the embedded one, PostgreSQL with Elasticsearch."""
    environ = {"WIREROOM_HOME": str(tmp_path)}
    if request.param != "sqlite":
        url = request.getfixturevalue("postgresql_url").replace("+psycopg", "")
        environ["WIREROOM_STORE_URL"] = url
    if request.param.startswith("elasticsearch"):
        environ["WIREROOM_INDEX_URL"] = request.getfixturevalue(f"{request.param}_url")
    return read_settings(environ)


@pytest.fixture
def services(settings: Settings) -> Iterator[Services]:
    """Open a store with all its tables, and its index."""
    set_up(settings)
    opened = open_services(settings)
    yield opened
    opened.close()
