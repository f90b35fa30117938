"""Ask a server over HTTP, and read metrics as Prometheus does."""

import urllib.error
import urllib.request
from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

ANSWER_S = 30.0

Labels = frozenset[tuple[str, str]]


def get(url: str) -> tuple[int, str]:
    """Return the status and the body of an answer, whatever its status."""
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def samples(exposed: str) -> dict[str, dict[Labels, float]]:
    """Read what was exposed, by the samples' names and labels."""
    found: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(exposed):
        for sample in family.samples:
            found.setdefault(sample.name, {})[frozenset(sample.labels.items())] = sample.value
    return found


def summed(values: Mapping[Labels, float], label: str) -> dict[str, float]:
    """Add values up by one label."""
    sums: dict[str, float] = {}
    for labels, value in values.items():
        key = dict(labels)[label]
        sums[key] = sums.get(key, 0.0) + value
    return sums
