"""An empty store of each kind."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.store.migrations import migrate
from pipeline.store.store import Store, open_store


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Open an empty store of each kind, with all its tables."""
    is_sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path / 'wireroom.db'}" if is_sqlite else request.getfixturevalue("postgresql_url")
    opened = open_store(url)
    migrate(opened)
    yield opened
    opened.close()
