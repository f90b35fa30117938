"""What may be in a queue: a ring, which names a task of ours and carries nothing. All else is refused.

Celery itself unpacks what it finds: a message that is JSON but no task ends the worker, comes back when it
has ended, and ends the next one; one that is unpacked by gzip may be a thousand times its size.
"""

import base64
import binascii
import json
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from pipeline.model import Stage
from workers.bells import task_name
from workers.schedule import REINDEX

TASKS = frozenset({*(task_name(stage) for stage in Stage), REINDEX, "wireroom.tick", "wireroom.tidy"})

LONGEST = 16_384
"""Bytes: rings have about 900."""


def fault(item: bytes) -> str | None:
    """Say what is wrong with an item of a queue, in words of ours alone; None: it is a ring.

    The envelope is kombu's, the body version 2 of Celery's protocol for messages.
    """
    if len(item) > LONGEST:
        return f"longer than {LONGEST} bytes"
    try:
        ring = _Ring.model_validate_json(item)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        return f"{'.'.join(map(str, first['loc'])) or 'message'}: {first['type']}"
    return None if _carries_nothing(ring.body) else "carries arguments, or is no JSON"


def _carries_nothing(body: str) -> bool:
    try:
        positional, named, embedded = json.loads(base64.b64decode(body, validate=True))
    except (binascii.Error, ValueError, TypeError, RecursionError):
        return False
    return positional == [] and named == {} and isinstance(embedded, dict) and not any(embedded.values())


def _task(name: str) -> str:
    if name not in TASKS:
        raise ValueError
    return name


def _time(written: str) -> str:
    datetime.fromisoformat(written)
    return written


Words = Annotated[str, Field(max_length=200)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)  # what Celery adds besides is let through


class _Headers(_Part):
    task: Annotated[str, AfterValidator(_task)]
    id: Words
    expires: Annotated[str, AfterValidator(_time)] | None = None
    retries: int = 0
    compression: None = None  # unpacking it could take all memory
    eta: None = None  # it would be held back, and counted against the prefetch
    shadow: None = None
    timelimit: list[Literal[180] | None] | None = None  # Celery adds the app's own
    group: None = None
    parent_id: Words | None = None
    root_id: Words | None = None
    stamped_headers: None = None
    stamps: dict[str, Any] = Field(default={}, max_length=0)


class _DeliveryInfo(_Part):
    exchange: Words
    routing_key: Words


class _Properties(_Part):
    delivery_tag: Words
    delivery_info: _DeliveryInfo
    body_encoding: Literal["base64"]
    correlation_id: Words
    reply_to: Words | None = None
    priority: int = 0


class _Ring(_Part):
    content_type: Literal["application/json"] = Field(alias="content-type")
    content_encoding: Literal["utf-8"] = Field(alias="content-encoding")
    headers: _Headers
    properties: _Properties
    body: str
