"""An Elasticsearch with security, whose `elastic` has the password that deploy/make-secrets.sh wrote."""

import hashlib
import json
import os
import subprocess
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import servers
from tests.compose_file import ROOT

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


@contextmanager
def secured_elasticsearch(secrets: Path) -> Iterator[Secured]:
    """Run it with the passwords of a folder. Raises ServerMissing."""
    password = (secrets / "elastic_password").read_text().strip()
    users = {"users": f"{ADMIN}:{_hashed(password)}\n", "users_roles": f"superuser:{ADMIN}\n"}
    with servers.elasticsearch(9, SECURE, users) as server:
        secured = Secured(server.url, secrets)
        chosen = {"password": password}  # in a container the image does this, by ELASTIC_PASSWORD
        assert (
            secured.ask(ADMIN, "elastic_password", "PUT", "_security/user/elastic/_password", chosen) == 200
        )
        yield secured
