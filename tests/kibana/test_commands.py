"""`wireroom kibana`, driven against a loopback server that looks at every request and plays the failures."""

import base64
import json
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kibana.bundle import export, saved_objects
from tests.cli.conftest import Wireroom, home, wireroom
from tests.conftest import missing
from tests.kibana.loopback import STATUS, Asked, LoopbackKibana, Reply, imported, loopback_kibana, uploaded
from tests.servers import free_port

__all__ = ["home", "wireroom"]


@pytest.fixture
def kibana() -> Iterator[LoopbackKibana]:
    with loopback_kibana() as running:
        yield running


def test_export_prints_what_kibana_imports(wireroom: Wireroom) -> None:
    ran = wireroom("kibana", "export")
    assert (ran.code, ran.out, ran.err) == (0, export(), "")


def test_export_writes_a_file(wireroom: Wireroom, tmp_path: Path) -> None:
    ran = wireroom("kibana", "export", "-o", str(tmp_path / "wireroom.ndjson"))
    assert (ran.code, ran.out) == (0, "")
    assert (tmp_path / "wireroom.ndjson").read_text() == export()


def test_export_replaces_an_earlier_export(wireroom: Wireroom, tmp_path: Path) -> None:
    path = tmp_path / "wireroom.ndjson"
    path.write_text("".join(export().splitlines(keepends=True)[1:]))  # it had an object less
    ran = wireroom("kibana", "export", "-o", str(path))
    assert ran.code == 0
    assert path.read_text() == export()


@pytest.mark.parametrize(
    "content",
    [
        b"my thesis\n",
        b"SQLite format 3\x00\xff",
        b'["wireroom-"]\n',
        b'{"id": 7}',
        export().encode() + b'{"type": "dashboard", "id": "my-own"}\n',
    ],
)
def test_export_leaves_a_file_alone_that_is_no_earlier_export(
    wireroom: Wireroom, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "precious"
    path.write_bytes(content)
    ran = wireroom("kibana", "export", "-o", str(path))
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.endswith("is no earlier export of `wireroom kibana export`: name another file\n")
    assert path.read_bytes() == content


def test_a_file_that_cannot_be_written_is_told_in_a_line(wireroom: Wireroom, tmp_path: Path) -> None:
    ran = wireroom("kibana", "export", "-o", str(tmp_path / "nowhere" / "wireroom.ndjson"))
    assert ran.code == 1
    assert ran.err.endswith("cannot be written: No such file or directory\n")


def test_install_asks_for_the_version_and_sends_the_export_as_a_file(
    wireroom: Wireroom, kibana: LoopbackKibana
) -> None:
    ran = wireroom("kibana", "install", "--url", kibana.url)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == f"{len(saved_objects())} objects in Kibana 9.4.3: {kibana.url}/app/dashboards\n"
    status, sent = kibana.asked
    assert (status.method, status.path) == ("GET", "/api/status")
    assert (sent.method, sent.path) == ("POST", "/api/saved_objects/_import?overwrite=true")
    assert sent.headers["kbn-xsrf"]
    assert sent.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert "authorization" not in sent.headers
    part, payload = uploaded(sent)
    assert part == {"type": "application/ndjson", "name": "file", "filename": "wireroom.ndjson"}
    assert payload.decode() == export()


def test_install_does_the_same_again(wireroom: Wireroom, kibana: LoopbackKibana) -> None:
    first = wireroom("kibana", "install", "--url", kibana.url)
    second = wireroom("kibana", "install", "--url", kibana.url)
    assert second == first
    assert uploaded(kibana.asked[1]) == uploaded(kibana.asked[3])


def test_install_goes_into_a_space_and_below_a_base_path(wireroom: Wireroom, kibana: LoopbackKibana) -> None:
    ran = wireroom("kibana", "install", "--url", f"{kibana.url}/base/", "--space", "news")
    assert ran.code == 0
    assert [asked.path for asked in kibana.asked] == [
        "/base/api/status",
        "/base/s/news/api/saved_objects/_import?overwrite=true",
    ]


def test_user_and_password_come_from_the_environment(
    wireroom: Wireroom, kibana: LoopbackKibana, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WIREROOM_KIBANA_URL", kibana.url.replace("://", "://editor:p%40ss@"))
    ran = wireroom("kibana", "install")
    assert ran.code == 0
    assert "p%40ss" not in ran.out
    said = {asked.headers["authorization"] for asked in kibana.asked}
    assert said == {"Basic " + base64.b64encode(b"editor:p@ss").decode()}


def test_an_api_key_comes_from_the_settings_file(
    wireroom: Wireroom, home: Path, kibana: LoopbackKibana
) -> None:
    home.mkdir()
    (home / "wireroom.toml").write_text('kibana_api_key = "a2V5"\n')
    ran = wireroom("kibana", "install", "--url", kibana.url)
    assert ran.code == 0
    assert {asked.headers["authorization"] for asked in kibana.asked} == {"ApiKey a2V5"}
    assert "a2V5" not in wireroom("config", "show").out


def test_a_password_does_not_follow_to_another_host(
    wireroom: Wireroom, kibana: LoopbackKibana, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WIREROOM_KIBANA_URL", "https://editor:secret@kibana.example:5601")
    assert wireroom("kibana", "install", "--url", kibana.url).code == 0
    assert not any("authorization" in asked.headers for asked in kibana.asked)


def test_a_certificate_is_checked_against_the_ca_of_the_settings(
    wireroom: Wireroom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = self_signed(tmp_path)
    with loopback_kibana(tls) as kibana:
        refused = wireroom("kibana", "install", "--url", kibana.url)
        monkeypatch.setenv("WIREROOM_KIBANA_CA", str(tmp_path / "certificate.pem"))
        accepted = wireroom("kibana", "install", "--url", kibana.url)
    assert (refused.code, accepted.code) == (1, 0)
    assert "is signed by nobody known here: name the CA's file in WIREROOM_KIBANA_CA" in refused.err


@pytest.mark.parametrize(
    ("name", "said"), [("absent.pem", "No such file or directory"), ("empty.pem", "no certificate")]
)
def test_a_ca_file_that_is_none_is_told_in_a_line(
    wireroom: Wireroom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    (tmp_path / "empty.pem").write_text("")
    monkeypatch.setenv("WIREROOM_KIBANA_CA", str(tmp_path / name))
    ran = wireroom("kibana", "install", "--url", "https://127.0.0.1:1")
    assert ran.code == 1
    assert f"{name} is no certificate of a CA" in ran.err
    assert said in ran.err


def self_signed(folder: Path) -> ssl.SSLContext:
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=kibana "
        "-addext subjectAltName=IP:127.0.0.1"
    )
    try:
        subprocess.run(
            [*command.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True
        )
    except FileNotFoundError:
        missing("the openssl command is not installed: apt install openssl")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--url", "http://editor:secret@127.0.0.1:1"], "put user and password into WIREROOM_KIBANA_URL"),
        (["--url", "localhost:5601"], "as --url http://localhost:5601"),
        ([], "as --url http://localhost:5601"),
        (["--url", "http://127.0.0.1:1", "--space", "a/b"], "'a/b' is no name of a space"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_asked(
    wireroom: Wireroom, arguments: list[str], said: str
) -> None:
    ran = wireroom("kibana", "install", *arguments)
    assert ran.code == 2
    assert said in ran.err
    assert ran.err.count("\n") == 1


def test_a_kibana_that_is_not_there_is_told_in_a_line(wireroom: Wireroom) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    ran = wireroom("kibana", "install", "--url", url)
    assert ran.code == 1
    assert ran.err.startswith(f"wireroom: Kibana at {url} cannot be reached: ")
    assert ran.err.count("\n") == 1


MISSING = {
    "id": "wireroom-entities",
    "type": "dashboard",
    "error": {
        "type": "missing_references",
        "references": [{"type": "index-pattern", "id": "wireroom-articles"}],
    },
}
UNKNOWN = {
    "id": "wireroom-latest-stories",
    "type": "search",
    "error": {"type": "unknown", "message": "belongs to a more recent version of Kibana", "statusCode": 422},
}
STATUS_ANSWERS = [
    (Reply(401, {"message": "security_exception"}), "does not know who asks (HTTP 401)"),
    (Reply(403, {"message": "no"}), "does not allow it (HTTP 403)"),
    (
        Reply(200, {"version": {"number": "8.15.3"}, "status": {}}),
        "is 8.15.3; the dashboards need 8.16 or later",
    ),
    (
        Reply(200, {"version": {"number": "7.17.9"}, "status": {}}),
        "is 7.17.9; the dashboards need 8.16 or later",
    ),
    (Reply(503, {"status": {"overall": {"level": "critical"}}}), "is not ready (critical): try again"),
    (Reply(503, b"Kibana server is not ready yet"), "is not ready (HTTP 503): try again"),
    (Reply(400, {"error": "no handler found for uri [/api/status]"}), "is not Kibana (HTTP 400)"),
    (Reply(200, b"<html>It works!</html>"), "is not Kibana (HTTP 200)"),
    (Reply(302, b"", {"Location": "/kibana/app/home"}), "redirects to /kibana/app/home: does the URL lack"),
]
IMPORT_ANSWERS = [
    (Reply(401, {"message": "expired"}), "does not know who asks (HTTP 401)"),
    (Reply(403, {"message": "Unable to bulk_create dashboard"}), "Unable to bulk_create dashboard"),
    (Reply(404, {"message": "Not Found"}), "there is no space 'news' (HTTP 404: Not Found)"),
    (
        Reply(413, {"message": "Payload content length greater"}),
        "refuses the import (HTTP 413): Payload content",
    ),
    (Reply(500, b"boom"), "refuses the import (HTTP 500): boom"),
    (Reply(302, b"", {"Location": "/login"}), "redirects to /login"),
    (
        Reply(200, {"success": False, "successCount": 6, "errors": [MISSING, UNKNOWN]}),
        "did not take everything: dashboard wireroom-entities: missing_references: index-pattern "
        "wireroom-articles; search wireroom-latest-stories: belongs to a more recent version of Kibana",
    ),
    (Reply(200, {"success": True, "successCount": 3}), f"took 3 of {len(saved_objects())} objects"),
    (Reply(200, b"<html>"), "did not take everything: <html>"),
]


@pytest.mark.parametrize(("reply", "said"), STATUS_ANSWERS, ids=[said for _, said in STATUS_ANSWERS])
def test_what_is_no_kibana_for_us_is_sent_nothing(
    wireroom: Wireroom, kibana: LoopbackKibana, reply: Reply, said: str
) -> None:
    kibana.answer = lambda _: reply
    ran = wireroom("kibana", "install", "--url", kibana.url)
    assert ran.code == 1
    assert said in ran.err
    assert ran.err.count("\n") == 1
    assert [asked.method for asked in kibana.asked] == ["GET"]


@pytest.mark.parametrize(("reply", "said"), IMPORT_ANSWERS, ids=[said[:40] for _, said in IMPORT_ANSWERS])
def test_a_failed_import_is_told_in_a_line(
    wireroom: Wireroom, kibana: LoopbackKibana, reply: Reply, said: str
) -> None:
    kibana.answer = lambda asked: STATUS if asked.method == "GET" else reply
    ran = wireroom("kibana", "install", "--url", kibana.url, "--space", "news")
    assert (ran.code, ran.out) == (1, "")
    assert said in ran.err
    assert ran.err.count("\n") == 1


def test_a_kibana_that_keeps_its_version_to_itself_is_believed(
    wireroom: Wireroom, kibana: LoopbackKibana
) -> None:
    redacted = Reply(200, {"status": {"overall": {"level": "available"}}})

    def answer(asked: Asked) -> Reply:
        return redacted if asked.method == "GET" else imported(asked)

    kibana.answer = answer
    ran = wireroom("kibana", "install", "--url", kibana.url)
    assert ran.code == 0
    assert " in Kibana ?: " in ran.out


def test_the_exported_file_is_what_was_uploaded(wireroom: Wireroom, kibana: LoopbackKibana) -> None:
    wireroom("kibana", "install", "--url", kibana.url)
    _, payload = uploaded(kibana.asked[1])
    assert [json.loads(line) for line in payload.splitlines()][:-1] == list(saved_objects())
