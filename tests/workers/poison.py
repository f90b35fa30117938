"""What does not belong in a queue, as raw items, and how each is refused."""

import base64
import json
import os
import pickle
from pathlib import Path
from typing import Any

TAG = "0b5c1f0e-3c1d-4c8e-9f6e-6f1f5a0f7a11"
EMBEDDED: dict[str, None] = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
HEADERS = {
    "lang": "py",
    "task": "wireroom.poll",
    "id": TAG,
    "root_id": TAG,
    "parent_id": None,
    "group": None,
    "retries": 0,
    "timelimit": [None, None],
    "argsrepr": "()",
    "kwargsrepr": "{}",
    "ignore_result": True,
}
PROPERTIES = {
    "correlation_id": TAG,
    "reply_to": TAG,
    "delivery_mode": 2,
    "delivery_info": {"exchange": "", "routing_key": "poll"},
    "priority": 0,
    "body_encoding": "base64",
    "delivery_tag": TAG,
}
MEGABYTES_50 = 50_000_000
TRAP = Path("/tmp") / f"wireroom-sprung-{os.getpid()}"


class Trap:
    """Make a folder where it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(TRAP),)


def encoded(body: bytes) -> str:
    return base64.b64encode(body).decode()


def body(positional: Any = (), named: Any = None, embedded: Any = EMBEDDED) -> str:
    return encoded(json.dumps([positional, named or {}, embedded]).encode())


RING: dict[str, Any] = {
    "body": body(),
    "content-encoding": "utf-8",
    "content-type": "application/json",
    "headers": HEADERS,
    "properties": PROPERTIES,
}


def item(**changed: Any) -> bytes:
    """Write a ring with some of its parts changed."""
    return json.dumps({**RING, **{name.replace("_", "-"): value for name, value in changed.items()}}).encode()


def headed(**changed: Any) -> bytes:
    """Write a ring with some of its headers changed."""
    return item(headers={**HEADERS, **changed})


def sent(**changed: Any) -> bytes:
    """Write a ring with some of its properties changed."""
    return item(properties={**PROPERTIES, **changed})


ARGUMENTS = "carries arguments, or is no JSON"
LONG = "longer than 16384 bytes"
POISON: dict[str, tuple[bytes, str]] = {
    "a pickle": (
        item(
            body=encoded(pickle.dumps([[Trap()], {}, EMBEDDED])),
            content_type="application/x-python-serialize",
            content_encoding="binary",
        ),
        "content-type: literal_error",
    ),
    "a pickle that is called JSON": (item(body=encoded(pickle.dumps([[Trap()], {}, EMBEDDED]))), ARGUMENTS),
    "YAML": (item(content_type="application/x-yaml"), "content-type: literal_error"),
    "another character set": (item(content_encoding="utf-7"), "content-encoding: literal_error"),
    "an unknown task": (headed(task="wireroom.nothing"), "headers.task: value_error"),
    "a task of Celery's own": (headed(task="celery.backend_cleanup"), "headers.task: value_error"),
    "a task that is no name": (headed(task=["wireroom.poll"]), "headers.task: string_type"),
    "arguments": (item(body=body(["x"])), ARGUMENTS),
    "named arguments": (item(body=body([], {"y": 1})), ARGUMENTS),
    "a task to follow": (item(body=body(embedded={**EMBEDDED, "chain": [{"task": "x"}]})), ARGUMENTS),
    "broken JSON inside": (item(body=encoded(b"[[], {")), ARGUMENTS),
    "JSON that is no task": (item(body=encoded(b'{"a": 1}')), ARGUMENTS),
    "null inside": (item(body=encoded(b"null")), ARGUMENTS),
    "what is no base64": (item(body="%%%"), ARGUMENTS),
    "no body": (item(body=None), "body: string_type"),
    "broken JSON": (b'{"body": ', "message: json_invalid"),
    "no JSON": (b"this is no JSON", "message: json_invalid"),
    "bytes": (b"\x80\x02\xff\x00", "message: json_invalid"),
    "nothing": (b"", "message: json_invalid"),
    "a number": (b"17", "message: model_type"),
    "an empty message": (b"{}", "content-type: missing"),
    "no headers": (item(headers=None), "headers: model_type"),
    "no id": (headed(id=None), "headers.id: string_type"),
    "a time to wait for": (headed(eta="2099-01-01T00:00:00+00:00"), "headers.eta: none_required"),
    "an end that is no time": (headed(expires="yesterday"), "headers.expires: value_error"),
    "limits of its own": (headed(timelimit=["x", 1e9]), "headers.timelimit.0: literal_error"),
    "something compressed": (headed(compression="application/x-gzip"), "headers.compression: none_required"),
    "no tag": (sent(delivery_tag=None), "properties.delivery_tag: string_type"),
    "no address": (sent(delivery_info="poll"), "properties.delivery_info: model_type"),
    "another encoding": (sent(body_encoding="rot13"), "properties.body_encoding: literal_error"),
    "50 MB of arguments": (item(body="x" * MEGABYTES_50), LONG),
    "50 MB of headers": (headed(argsrepr="x" * MEGABYTES_50), LONG),
    "50 MB of brackets": (b"[" * MEGABYTES_50, LONG),
}
