"""deploy/elasticsearch-users.sh on an Elasticsearch with security: narrow users, and it may be run again."""

import hashlib
import json
import os
import subprocess
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import servers
from tests.compose_file import ROOT
from tests.conftest import missing

ADMIN = "admin"
SECURE = {"xpack.security.enabled": "true", "xpack.security.http.ssl.enabled": "false"}
USERS = ROOT / "deploy" / "elasticsearch-users.sh"


@dataclass(frozen=True, slots=True)
class Secured:
    """Hold a server and the folder of its passwords."""

    url: str
    secrets: Path

    def set_users(self) -> "subprocess.CompletedProcess[str]":
        """Run the script as its service does."""
        environ = {"PATH": "/usr/bin:/bin", "ELASTICSEARCH_URL": self.url, "SECRETS": str(self.secrets)}
        return subprocess.run([USERS], env=environ, capture_output=True, text=True, check=False)

    def ask(self, user: str, secret: str, method: str, path: str, body: Any = None) -> int:
        """Ask as a user; give the status."""
        password = (self.secrets / secret).read_text().strip()
        request = urllib.request.Request(
            f"{self.url}/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Content-Type": "application/json",
                "Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            return error.code


def _hashed(password: str) -> str:
    """Hash a password as the file realm has it: PBKDF2 with HMAC-SHA512, 10,000 rounds."""
    salt = os.urandom(32)
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 10_000, 32)
    return f"{{PBKDF2}}10000${b64encode(salt).decode()}${b64encode(key).decode()}"


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """Run an Elasticsearch with security, whose `elastic` has the password that make-secrets.sh wrote."""
    secrets = tmp_path_factory.mktemp("host") / "secrets"
    subprocess.run([ROOT / "deploy" / "make-secrets.sh", secrets], check=True, capture_output=True)
    password = (secrets / "elastic_password").read_text().strip()
    users = {"users": f"{ADMIN}:{_hashed(password)}\n", "users_roles": f"superuser:{ADMIN}\n"}
    try:
        with servers.elasticsearch(9, SECURE, users) as server:
            secured = Secured(server.url, secrets)
            chosen = {"password": password}  # in a container the image does this, by ELASTIC_PASSWORD
            assert (
                secured.ask(ADMIN, "elastic_password", "PUT", "_security/user/elastic/_password", chosen)
                == 200
            )
            yield secured
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
