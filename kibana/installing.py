"""Send the saved objects to a Kibana, by the import that 8.x and 9.x have in common.

The same ids are overwritten, so that it may be done as often as one likes. Kibana answers 200 even when
single objects fail (`POST /api/saved_objects/_import` in Elastic's API reference), so the answer is read.
"""

import asyncio
import json
import re
import ssl
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import (
    ClientConnectorCertificateError,
    ClientError,
    ClientSession,
    ClientTimeout,
    FormData,
    TCPConnector,
)

from kibana.bundle import export, saved_objects
from pipeline.errors import WireroomError

TIMEOUT_S = 60.0
"""An import of some 70 KB takes a second; a Kibana that has just started may take many."""

OLDEST = (8, 16)
FILE_NAME = "wireroom.ndjson"  # Kibana refuses other endings
XSRF = {"kbn-xsrf": "wireroom"}  # without it Kibana refuses whatever changes something
TOLD = 300
"""Characters of an answer that one line shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Say which Kibana, which of its spaces, and as whom."""

    url: str
    space: str = ""
    user: str = ""
    password: str = ""
    api_key: str = ""
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """Say what was sent, and to which version."""

    objects: int
    version: str


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    location: str
    text: str

    @property
    def body(self) -> Mapping[str, Any]:
        try:
            read = json.loads(self.text)
        except ValueError:
            return {}
        return read if isinstance(read, dict) else {}


def install(target: Target) -> Installed:
    """Import all saved objects. Raises WireroomError with one line on what is wrong and what to do."""
    try:
        return asyncio.run(_install(target))
    except ClientConnectorCertificateError:
        raise WireroomError(
            f"the certificate of {target.url} is signed by nobody known here: "
            "name the CA's file in WIREROOM_KIBANA_CA"
        ) from None
    except TimeoutError:
        raise WireroomError(f"Kibana at {target.url} did not answer within {TIMEOUT_S:.0f} s") from None
    except (ClientError, OSError) as error:
        cause = getattr(error, "strerror", None) or error
        raise WireroomError(f"Kibana at {target.url} cannot be reached: {cause}") from None


async def _install(target: Target) -> Installed:
    async with _session(target) as session:
        version = _check_status(target, await _ask(session, "GET", f"{target.url}/api/status"))
        form = FormData()
        form.add_field("file", export().encode(), filename=FILE_NAME, content_type="application/ndjson")
        prefix = f"/s/{target.space}" if target.space else ""
        place = f"{target.url}{prefix}/api/saved_objects/_import?overwrite=true"
        return _check_import(target, await _ask(session, "POST", place, form), version)


def _session(target: Target) -> ClientSession:
    return ClientSession(
        headers=XSRF | _authorization(target),
        timeout=ClientTimeout(total=TIMEOUT_S),
        connector=TCPConnector(ssl=_trusted(target.ca_file)),
    )


def _trusted(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise WireroomError(f"{ca_file} is no certificate of a CA: {error.strerror or error}") from None


def _authorization(target: Target) -> dict[str, str]:
    if target.api_key:
        return {"Authorization": f"ApiKey {target.api_key}"}
    if target.user:
        pair = b64encode(f"{target.user}:{target.password}".encode()).decode()  # RFC 7617, in UTF-8
        return {"Authorization": f"Basic {pair}"}
    return {}


async def _ask(session: ClientSession, method: str, url: str, form: FormData | None = None) -> _Answer:
    # A redirect would turn the POST into a GET; where it leads is told instead.
    async with session.request(method, url, data=form, allow_redirects=False) as answer:
        text = await answer.text(errors="replace")
        return _Answer(answer.status, answer.headers.get("Location", ""), text)


def _check_status(target: Target, answer: _Answer) -> str:
    """Return Kibana's version, `?` when it keeps that to itself. Raises WireroomError when it is none."""
    _refuse_redirect(target, answer)
    _refuse_stranger(target, answer)
    level = _at(answer.body, "status", "overall", "level")
    version = _at(answer.body, "version", "number")
    if answer.status == 503 or level in ("critical", "unavailable"):
        raise WireroomError(
            f"Kibana at {target.url} is not ready ({level or 'HTTP 503'}): try again in a minute"
        )
    if level is None and version is None:
        raise WireroomError(
            f"what answers at {target.url} is not Kibana (HTTP {answer.status}): is it the right port?"
        )
    return _check_version(target, str(version or "?"))


def _check_version(target: Target, version: str) -> str:
    read = re.match(r"(\d+)\.(\d+)", version)
    if read and (int(read[1]), int(read[2])) < OLDEST:
        raise WireroomError(
            f"Kibana at {target.url} is {version}; the dashboards need {OLDEST[0]}.{OLDEST[1]} or later"
        )
    return version


def _check_import(target: Target, answer: _Answer, version: str) -> Installed:
    _refuse_redirect(target, answer)
    _refuse_stranger(target, answer)
    if answer.status == 404:
        where = f"there is no space {target.space!r}" if target.space else "it knows no import"
        raise WireroomError(f"Kibana at {target.url}: {where} (HTTP 404: {_said(answer)})")
    if answer.status != 200:
        raise WireroomError(
            f"Kibana at {target.url} refuses the import (HTTP {answer.status}): {_said(answer)}"
        )
    failed = [_object_error(each) for each in answer.body.get("errors") or ()]
    if failed or answer.body.get("success") is not True:
        told = "; ".join(failed) or _said(answer)
        raise WireroomError(f"Kibana at {target.url} did not take everything: {told}")
    sent = len(saved_objects())
    if answer.body.get("successCount") != sent:
        took = answer.body.get("successCount")
        raise WireroomError(f"Kibana at {target.url} took {took} of {sent} objects, and does not say why")
    return Installed(objects=sent, version=version)


def _refuse_redirect(target: Target, answer: _Answer) -> None:
    if 300 <= answer.status < 400:
        raise WireroomError(
            f"{target.url} redirects to {answer.location}: does the URL lack https or Kibana's base path?"
        )


def _refuse_stranger(target: Target, answer: _Answer) -> None:
    if answer.status == 401:
        raise WireroomError(
            f"Kibana at {target.url} does not know who asks (HTTP 401): put user:password@ into "
            "WIREROOM_KIBANA_URL, or a key into WIREROOM_KIBANA_API_KEY"
        )
    if answer.status == 403:
        raise WireroomError(
            f"Kibana at {target.url} does not allow it (HTTP 403): the user or key needs the privilege "
            f"“Saved Objects Management: All” in the space {target.space or 'default'}: {_said(answer)}"
        )


def _object_error(told: Any) -> str:
    """Put one object's failure into words: `{id, type, error: {type, message?, references?}}`."""
    if not isinstance(told, dict):
        return str(told)[:TOLD]
    error = told.get("error") if isinstance(told.get("error"), dict) else {}
    missing = ", ".join(f"{each.get('type')} {each.get('id')}" for each in error.get("references") or ())
    why = error.get("message") or (f"{error.get('type')}: {missing}" if missing else error.get("type"))
    return f"{told.get('type')} {told.get('id')}: {why or 'no reason given'}"[:TOLD]


def _said(answer: _Answer) -> str:
    return str(answer.body.get("message") or " ".join(answer.text.split()) or "nothing said")[:TOLD]


def _at(body: Mapping[str, Any], *path: str) -> Any:
    found: Any = body
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
