"""A line of a worker's log tells what it is about, no secret, and nothing of a stranger's that is live."""

import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.log_context import bound
from pipeline.settings import read_settings
from tests.cli.hostile_words import ALL
from workers.logs import JsonFormatter, TextFormatter, known_secrets

STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
TEXT = TextFormatter(logging.Formatter("[%(levelname)s] %(message)s"))
LOG = """
import logging, os
from pipeline.log_context import bound
from pipeline.settings import read_settings
from workers.app import make_app
make_app(read_settings(os.environ)).log.setup("WARNING", redirect_stdouts=False)
log = logging.getLogger("pipeline.stages.poll")
with bound(stage="poll", feed="http://a.example/\\x1b[31m\\u202e\\nb", secrets=["s3cret-key"]):
    try:
        raise ValueError("redis://:hunter22@broker and s3cret-key")
    except ValueError:
        log.exception("poll failed")
logging.getLogger("wireroom.steps").info("step", extra={"article": "a1", "outcome": "found"})
"""
SECRETS = {
    "WIREROOM_STORE_URL": "postgresql://user:store%20word@db/news",
    "WIREROOM_BROKER_URL": "rediss://:brokerword@redis:6380/0",
    "WIREROOM_INDEX_API_KEY": "index-key-word",
    "WIREROOM_KIBANA_URL": "https://user:kibanaword@kibana",
}


def record(message: str, *args: object, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("pipeline.stages.poll", logging.ERROR, "a.py", 1, message, args, None)
    made.__dict__.update(extra)
    return made


def run(tmp_path: Path, **settings: str) -> str:
    environ = {**os.environ, "WIREROOM_HOME": str(tmp_path), **settings}
    ran = subprocess.run([sys.executable, "-c", LOG], env=environ, capture_output=True, text=True, check=True)
    return ran.stderr


def as_json(line: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(line)
    return said


@pytest.mark.parametrize("name", ALL)
def test_a_record_steers_nothing_and_is_one_record(name: str) -> None:
    first, *others = TEXT.format(record("poll failed url=%s", ALL[name])).split("\n")
    assert first.startswith("[ERROR] poll failed url=")
    assert all(line.startswith("  ") for line in others)
    assert not STEERING.search(first + "".join(others))


@pytest.mark.parametrize("name", ALL)
def test_json_is_one_line_of_ascii_that_says_just_what_was_said(name: str) -> None:
    with bound(feed=ALL[name]):
        line = JsonFormatter().format(record("poll failed"))
    assert re.fullmatch(r"[\x20-\x7e]+", line)
    assert as_json(line)["feed"] == ALL[name]


def test_what_is_bound_and_what_is_said_is_told_behind_the_message() -> None:
    with bound(stage="poll", feed="https://a.example/feed"):
        line = TEXT.format(record("poll failed", error="no answer"))
    assert line == '[ERROR] poll failed stage=poll feed=https://a.example/feed error="no answer"'


def test_bound_fields_end_with_their_block() -> None:
    with bound(stage="fetch"):
        with bound(article="a1"):
            assert "stage=fetch article=a1" in TEXT.format(record("page failed"))
        assert TEXT.format(record("page failed")) == "[ERROR] page failed stage=fetch"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("cannot open postgresql://u:word@h/d", "cannot open postgresql://u:***@h/d"),
        ("https://u:word@a.example/feed timed out", "https://u:***@a.example/feed timed out"),
        ("url=https://a.example/feed?token=abc&page=2", "url=https://a.example/feed?token=***&page=2"),
        ("no answer of redis://h/0?sslpassword=word", "no answer of redis://h/0?sslpassword=***"),
        ("headers: {'X-Api-Key': 'abcdef'}", "headers: {'X-Api-Key': '***'}"),
        ("Authorization: Basic dXNlcjp3b3Jk", "Authorization: *** ***"),
        ("connection failed: host=h password=word", "connection failed: host=h password=***"),
        ("KeyError: 'monkey'", "KeyError: 'monkey'"),
        ("12:30 https://a.example:443/x@y", "12:30 https://a.example:443/x@y"),
    ],
)
def test_what_looks_like_a_secret_is_masked(said: str, told: str) -> None:
    assert TEXT.format(record("%s", said)) == f"[ERROR] {told}"


def test_the_secrets_of_the_settings_are_masked_wherever_they_stand(tmp_path: Path) -> None:
    secrets = known_secrets(read_settings({"WIREROOM_HOME": str(tmp_path), **SECRETS}))
    words = "store word, store%20word, brokerword, index-key-word, kibanaword"
    assert TextFormatter(None, secrets).format(record(words)) == "***, ***, ***, ***, ***"
    assert as_json(JsonFormatter(secrets).format(record(words)))["message"] == "***, ***, ***, ***, ***"


def test_workers_log_text_for_a_person(tmp_path: Path) -> None:
    first, *trace = run(tmp_path).splitlines()
    said = "http://a.example/\\u001b[31m\N{REPLACEMENT CHARACTER}\\nb"
    assert first.endswith(f'ERROR/MainProcess] poll failed stage=poll feed="{said}"')
    assert trace[0] == "  Traceback (most recent call last):"
    assert trace[-1] == "  ValueError: redis://:***@broker and ***"


def test_workers_log_a_line_of_json_for_each_record_where_that_is_chosen(tmp_path: Path) -> None:
    (line,) = run(tmp_path, WIREROOM_LOG_FORMAT="json").splitlines()
    said = as_json(line)
    assert (said["level"], said["stage"], said["message"]) == ("error", "poll", "poll failed")
    assert said["feed"] == "http://a.example/\x1b[31m\u202e\nb"
    assert said["traceback"].endswith("ValueError: redis://:***@broker and ***")


def test_each_step_is_a_line_where_that_is_chosen(tmp_path: Path) -> None:
    failed, step = run(tmp_path, WIREROOM_LOG_FORMAT="json", WIREROOM_LOG_STEPS="yes").splitlines()
    assert as_json(failed)["message"] == "poll failed"
    assert as_json(step) | {"article": "a1", "outcome": "found", "level": "info"} == as_json(step)
