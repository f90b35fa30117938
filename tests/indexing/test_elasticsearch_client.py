"""A server that cannot be used is told in one line that says what to do."""

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from pipeline.errors import IndexUnavailableError
from pipeline.indexing.elasticsearch import ElasticsearchGenerations
from pipeline.indexing.elasticsearch_client import connect
from tests import servers
from tests.conftest import missing
from tests.contracts.test_index import article
from tests.indexing.scripted_elasticsearch import ROOT, scripted
from tests.servers import free_port

USER, PASSWORD = "chief", "wireroom-test"
HASHED = "$2a$12$8RBxKIX4oqxpJo0z0xDrCeclKHJps7w/khnbHi0iDya7sSlXJnUvm"  # of PASSWORD; bcrypt

SECURED = {
    "xpack.security.enabled": "true",
    "xpack.security.http.ssl.enabled": "true",
    "xpack.security.http.ssl.key": "test.key",
    "xpack.security.http.ssl.certificate": "test.crt",
}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a self-signed certificate for loopback, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        missing("openssl is not installed (Debian: apt-get install openssl)")
    folder = tmp_path_factory.mktemp("certificate")
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test"]
    files = ["-keyout", str(folder / "test.key"), "-out", str(folder / "test.crt")]
    subprocess.run(
        [*command, *files, "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True
    )
    return folder


@pytest.fixture(scope="module")
def elasticsearch9_secured(certificate: Path) -> Iterator[str]:
    """Run an Elasticsearch 9.4.3 with a user and TLS; give its address."""
    files = {name: (certificate / name).read_text() for name in ("test.key", "test.crt")}
    users = {"users": f"{USER}:{HASHED}\n", "users_roles": f"superuser:{USER}\n"}
    try:
        with servers.elasticsearch(9, settings=SECURED, files={**files, **users}) as server:
            yield server.url
    except servers.ServerMissing as error:
        missing(str(error))


@pytest.fixture
def chief(elasticsearch9_secured: str, certificate: Path) -> Iterator[Elasticsearch]:
    trusted = ssl.create_default_context(cafile=str(certificate / "test.crt"))
    auth = (USER, PASSWORD)
    with Elasticsearch(elasticsearch9_secured, basic_auth=auth, ssl_context=trusted) as client:
        yield client


def refusal(url: str, **options: Any) -> str:
    with pytest.raises(IndexUnavailableError) as refused:
        connect(url, **options)
    line = str(refused.value)
    assert "\n" not in line
    assert PASSWORD not in line
    return line


@pytest.mark.parametrize(
    ("root", "said"),
    [
        ({"version": {"number": "7.17.28", "lucene_version": "8.11.3"}}, "is Elasticsearch 7.17.28"),
        ({"version": {"number": "8.15.5", "lucene_version": "9.11.1"}}, "is Elasticsearch 8.15.5"),
        ({"version": {"number": "10.0.0", "lucene_version": "11"}}, "is Elasticsearch 10.0.0"),
        (
            {"version": {"distribution": "opensearch", "number": "2.19.1", "lucene_version": "9"}},
            "is opensearch 2.19.1",
        ),
        ({"couchdb": "Welcome", "version": "3.4"}, "is another product"),
        (["unexpected"], "is another product"),
    ],
)
def test_a_server_of_another_version_or_product_is_refused(root: Any, said: str) -> None:
    with scripted() as server:
        server.root = root
        line = refusal(server.url)
    assert said in line
    assert "Wireroom works with Elasticsearch 8.16 and newer and with 9.x" in line


@pytest.mark.parametrize("number", ["8.16.0", "8.19.3", "9.0.0", "9.4.3"])
def test_a_supported_version_is_taken(number: str) -> None:
    with scripted() as server:
        server.root = {**ROOT, "version": {"number": number, "lucene_version": "9"}}
        assert connect(server.url).shown == server.url


def test_a_server_that_is_not_there_is_told() -> None:
    line = refusal(f"http://{USER}:{PASSWORD}@127.0.0.1:{free_port()}")
    assert f"http://{USER}:***@127.0.0.1" in line
    assert "cannot be reached ([Errno 111] Connection refused); check that it runs" in line


def test_https_where_http_is_spoken_is_told() -> None:
    with scripted() as server:
        assert "speaks http and not https" in refusal(server.url.replace("http:", "https:"))


def test_a_certificate_of_an_unknown_authority_is_told(elasticsearch9_secured: str) -> None:
    assert "name the file of its CA in WIREROOM_INDEX_CA" in refusal(elasticsearch9_secured)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_ca_file_that_cannot_be_read_is_told(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "ca.crt").write_text(content)
    assert "set WIREROOM_INDEX_CA" in refusal("https://127.0.0.1:9", ca=str(tmp_path / "ca.crt"))


def test_wrong_and_missing_credentials_are_told(elasticsearch9_secured: str, certificate: Path) -> None:
    ca = str(certificate / "test.crt")
    assert "asks for a user" in refusal(elasticsearch9_secured, ca=ca)
    wrong = elasticsearch9_secured.replace("://", f"://{USER}:wrong@")
    assert "does not accept the user and password" in refusal(wrong, ca=ca)
    assert "does not accept the API key" in refusal(elasticsearch9_secured, ca=ca, api_key="bm86bm8=")


def test_a_user_and_a_key_open_a_secured_server(
    elasticsearch9_secured: str, certificate: Path, chief: Elasticsearch
) -> None:
    ca = str(certificate / "test.crt")
    named = connect(elasticsearch9_secured.replace("://", f"://{USER}:{PASSWORD}@"), ca=ca)
    assert PASSWORD not in named.shown
    key = chief.security.create_api_key(name="wireroom")["encoded"]
    assert connect(elasticsearch9_secured, ca=ca, api_key=key).keyed


def test_an_invalidated_key_is_told(
    elasticsearch9_secured: str, certificate: Path, chief: Elasticsearch
) -> None:
    made = chief.security.create_api_key(name="short-lived")
    chief.security.invalidate_api_key(ids=[made["id"]])
    line = refusal(elasticsearch9_secured, ca=str(certificate / "test.crt"), api_key=made["encoded"])
    assert "mistyped, expired or invalidated" in line


def test_a_key_that_may_not_write_is_told_with_what_it_needs(
    elasticsearch9_secured: str, certificate: Path, chief: Elasticsearch
) -> None:
    reading = {
        "reader": {"cluster": ["monitor"], "index": [{"names": ["wireroom-*"], "privileges": ["read"]}]}
    }
    key = chief.security.create_api_key(name="weak", role_descriptors=reading)["encoded"]
    weak = connect(elasticsearch9_secured, ca=str(certificate / "test.crt"), api_key=key)
    with pytest.raises(
        IndexUnavailableError, match=r"does not allow this API key enough .* indices wireroom-\*: all"
    ):
        ElasticsearchGenerations(weak, nullcontext).open("one").put([article("a", "A", "x")])
