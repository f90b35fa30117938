"""Connect to Elasticsearch: whether the server is one that is supported, and what each failure means."""

import re
import ssl
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from elastic_transport import ConnectionTimeout, TlsError, TransportError
from elasticsearch import ApiError, Elasticsearch, OrjsonSerializer

from pipeline.errors import IndexUnavailableError
from pipeline.masking import mask_url

OLDEST, TOO_NEW = (8, 16), (10, 0)
REQUEST_S = 60.0
"""How long one request may take. Below the lease of 120 s, so that nobody else writes the rows meanwhile."""

CHECK_S = 15.0
"""How long the first answer, some bytes, may take: a person who searches waits for it before the search."""

PRIVILEGES = (
    "cluster: monitor, manage_index_templates; indices wireroom-*: all (see docs/operating.md, Elasticsearch)"
)


@dataclass(frozen=True, slots=True)
class Connection:
    """Hold a client whose server was checked, and its address as it may be shown."""

    client: Elasticsearch
    shown: str
    keyed: bool  # an API key opens it, not a password

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Turn what goes wrong inside into IndexUnavailableError, one line with what to do."""
        try:
            yield
        except (ApiError, TransportError) as error:
            raise IndexUnavailableError(self.tell(error)) from None

    def tell(self, error: Exception) -> str:
        """Say in one line what went wrong and what to do."""
        server = f"Elasticsearch at {self.shown}"
        if isinstance(error, ApiError):
            return f"{server} {self._told_status(error.meta.status, reason(error.body))}"
        return f"{server} {_told_failure(error)}"

    def _told_status(self, status: int, said: str) -> str:
        if status == 401:
            return self._told_credentials()
        if status == 403 and "block" not in said:
            by = "API key" if self.keyed else "user"
            return f"does not allow this {by} enough ({said}); it needs {PRIVILEGES}"
        return f"answered {status}: {said}"

    def _told_credentials(self) -> str:
        if self.keyed:
            return (
                "does not accept the API key: it is mistyped, expired or invalidated; "
                "make a new one and set WIREROOM_INDEX_API_KEY"
            )
        if "@" in self.shown:
            return "does not accept the user and password; check them in WIREROOM_INDEX_URL"
        return "asks for a user; set WIREROOM_INDEX_API_KEY, or write USER:PASSWORD@ into WIREROOM_INDEX_URL"


def connect(url: str, *, api_key: str = "", ca: str = "", request_s: float = REQUEST_S) -> Connection:
    """Connect to a supported server.

    Raises IndexUnavailableError, one line with what to do, when there is no such server.
    """
    headers = _authorization(url, api_key)
    connection = Connection(_client(url, headers, ca, request_s), mask_url(url), bool(api_key))
    with connection.asking():
        # Not `client.info()`: that refuses other products before they can say which they are.
        meta, body = connection.client.transport.perform_request(
            "GET",
            "/",
            headers={"accept": "application/json", **headers},
            request_timeout=min(CHECK_S, request_s),
        )
        if meta.status != 200:
            raise ApiError(str(meta.status), meta, body)
    _check(connection.shown, body)
    return connection


def reason(body: Any) -> str:
    """Give the innermost reason of an error's body in one line."""
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        return told_cause(body["error"])
    said = body.get("error") if isinstance(body, dict) else body
    return _line(said or "no reason given")


def told_cause(error: dict[str, Any]) -> str:
    """Say what an error object says, and what caused it, in one line."""
    causes = [f"{error.get('type', 'error')}: {error.get('reason')}"]
    while isinstance(error.get("caused_by"), dict):
        error = error["caused_by"]
        causes.append(str(error.get("reason")))
    return _line("; ".join(causes))


def _line(said: object) -> str:
    return " ".join(str(said).split())[:500]


def _client(url: str, headers: Mapping[str, str], ca: str, request_s: float) -> Elasticsearch:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    port = "" if parts.port else (":443" if parts.scheme == "https" else ":80")
    trusted: dict[str, Any] = {"ssl_context": _trusting(ca)} if ca and parts.scheme == "https" else {}
    return Elasticsearch(
        urlunsplit((parts.scheme, host + port, parts.path.rstrip("/"), "", "")),
        headers=headers,
        request_timeout=request_s,
        max_retries=0,  # one retry layer, ours: the transport's own has no pause between tries
        retry_on_timeout=False,
        serializer=OrjsonSerializer(),
        **trusted,
    )


def _trusting(ca: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as error:  # ssl.SSLError is one
        raise IndexUnavailableError(
            f"the CA file {ca} cannot be read ({_line(error)}); set WIREROOM_INDEX_CA"
        ) from None


def _authorization(url: str, api_key: str) -> dict[str, str]:
    """Write the header of an API key, or else of the user in a URL (RFC 7617)."""
    parts = urlsplit(url)
    if api_key:
        return {"authorization": f"ApiKey {api_key}"}
    if parts.username:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        return {"authorization": f"Basic {b64encode(pair.encode()).decode()}"}
    return {}


def _check(shown: str, body: Any) -> None:
    version = body.get("version") if isinstance(body, dict) else None
    version = version if isinstance(version, dict) else {}
    number = str(version.get("number", ""))
    matched = re.match(r"(\d+)\.(\d+)", number)
    wanted = f"Wireroom works with Elasticsearch {OLDEST[0]}.{OLDEST[1]} and newer and with 9.x"
    if not matched or "distribution" in version or "lucene_version" not in version:
        product = f"{version.get('distribution', 'another product')} {number}".strip()
        raise IndexUnavailableError(f"{shown} is {product}; {wanted}: set WIREROOM_INDEX_URL to one")
    if not OLDEST <= (int(matched[1]), int(matched[2])) < TOO_NEW:
        raise IndexUnavailableError(f"{shown} is Elasticsearch {number}; {wanted}: upgrade it first")


def _told_failure(error: Exception) -> str:
    said = _line(getattr(error, "message", error))
    if "WRONG_VERSION_NUMBER" in said:
        return "speaks http and not https; check WIREROOM_INDEX_URL"
    if isinstance(error, TlsError) or "certificate" in said.lower():
        return (
            "shows a certificate that is not trusted here; name the file of its CA in WIREROOM_INDEX_CA "
            f"({_short(said)})"
        )
    if isinstance(error, ConnectionTimeout):
        return "takes connections and does not answer; look at its load, memory and disk"
    return f"cannot be reached ({_short(said)}); check that it runs, and WIREROOM_INDEX_URL"


def _short(said: str) -> str:
    matched = re.search(r"\[(?:SSL|Errno)[^)]*|certificate verify failed[^)]*|Remote end[^)']*", said)
    return (matched[0] if matched else said)[:160].strip()
