"""Elasticsearch's own `_reindex` of what is exposed, on the same server: what a rebuild is set beside."""

import json
import time
import urllib.request
from typing import Any

from pipeline.settings import EMBEDDED, Settings

ALIAS, COPY = "wireroom-articles", "bench-native-reindex"
KEPT = ("analysis", "mapping", "number_of_shards", "number_of_replicas")


def native_documents_per_s(settings: Settings) -> float | None:
    """Copy the exposed documents into an index of the same mapping; None for the embedded index."""
    if settings.index_url == EMBEDDED:
        return None
    url = settings.index_url.rstrip("/")
    found = next(iter(_ask(url, "GET", f"/{ALIAS}").values()))
    options = {name: value for name, value in found["settings"]["index"].items() if name in KEPT}
    _ask(url, "DELETE", f"/{COPY}?ignore_unavailable=true")
    _ask(url, "PUT", f"/{COPY}", {"mappings": found["mappings"], "settings": {"index": options}})
    began = time.monotonic()
    copied = _ask(
        url,
        "POST",
        "/_reindex?wait_for_completion=true&refresh=true",
        {"source": {"index": ALIAS}, "dest": {"index": COPY, "version_type": "external"}},
    )
    took_s = time.monotonic() - began
    _ask(url, "DELETE", f"/{COPY}")
    return float(copied["total"] / took_s)


def _ask(url: str, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    written = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url + path, written, headers, method=method)
    with urllib.request.urlopen(request, timeout=3_600) as answer:
        found: dict[str, Any] = json.loads(answer.read())
    return found
