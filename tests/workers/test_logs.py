"""Nothing that a stranger wrote is live in a worker's log."""

import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.hostile_words import ALL
from workers.logs import HarmlessFormatter

STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
LOG = """
import logging, os
from pipeline.settings import read_settings
from workers.app import make_app
make_app(read_settings(os.environ)).log.setup("WARNING", redirect_stdouts=False)
logging.getLogger("pipeline.stages.poll").error("poll failed url=%s", "http://a.example/\\x1b[31m\\u202e\\nb")
"""


@pytest.mark.parametrize("name", ALL)
def test_a_record_steers_nothing_and_is_one_record(name: str) -> None:
    record = logging.LogRecord("a", logging.ERROR, "a.py", 1, "poll failed url=%s", (ALL[name],), None)
    first, *others = (
        HarmlessFormatter(logging.Formatter("[%(levelname)s] %(message)s")).format(record).split("\n")
    )
    assert first.startswith("[ERROR] poll failed url=")
    assert all(line.startswith("  ") for line in others)
    assert not STEERING.search(first + "".join(others))


def test_workers_log_that_way(tmp_path: Path) -> None:
    environ = {**os.environ, "WIREROOM_HOME": str(tmp_path)}
    ran = subprocess.run([sys.executable, "-c", LOG], env=environ, capture_output=True, text=True, check=True)
    said = "poll failed url=http://a.example/\N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER}\n  b\n"
    assert ran.stderr.endswith(said)
