"""deploy/elasticsearch-users.sh on an Elasticsearch with security: narrow users, and it may be run again."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import servers
from tests.compose_file import ROOT
from tests.conftest import missing
from tests.secured_elasticsearch import Secured, secured_elasticsearch


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """Run an Elasticsearch with security and new passwords."""
    secrets = tmp_path_factory.mktemp("host") / "secrets"
    subprocess.run([ROOT / "deploy" / "make-secrets.sh", secrets], check=True, capture_output=True)
    try:
        with secured_elasticsearch(secrets) as server:
            yield server
    except servers.ServerMissing as error:
        missing(str(error))


def test_wireroom_may_use_its_own_indices_and_no_others(secured: Secured) -> None:
    done = secured.set_users()
    assert (done.returncode, done.stderr) == (0, "")
    us = ("wireroom", "wireroom_password")
    template = {"index_patterns": ["wireroom-*"], "template": {"settings": {"number_of_replicas": 0}}}
    closed = {"persistent": {"cluster.blocks.read_only": True}}
    assert secured.ask(*us, "GET", "") == 200
    assert secured.ask(*us, "PUT", "_index_template/wireroom-articles", template) == 200
    assert (
        secured.ask(*us, "PUT", "wireroom-articles-g1-2026-11", {"aliases": {"wireroom-articles": {}}}) == 200
    )
    assert secured.ask(*us, "POST", "wireroom-articles/_pit?keep_alive=1m") == 200
    assert secured.ask(*us, "PUT", "others", {}) == 403
    assert secured.ask(*us, "GET", "_security/user") == 403
    assert secured.ask(*us, "PUT", "_cluster/settings", closed) == 403


def test_kibana_has_its_password_and_the_script_may_be_run_again(secured: Secured) -> None:
    assert [secured.set_users().returncode for _ in range(2)] == [0, 0]
    assert secured.ask("kibana_system", "kibana_password", "GET", "") == 200
    assert secured.ask("kibana_system", "wireroom_password", "GET", "") == 401
    assert secured.ask("dashboards", "dashboards_password", "GET", "wireroom-*/_search") == 403


def test_a_wrong_password_is_told_by_the_server(secured: Secured, tmp_path: Path) -> None:
    for path in secured.secrets.iterdir():
        (tmp_path / path.name).write_text(path.read_text())
    (tmp_path / "elastic_password").write_text("wrong")
    done = Secured(secured.url, tmp_path).set_users()
    assert done.returncode == 1
    assert "unable to authenticate user [elastic]" in done.stderr
