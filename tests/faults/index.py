"""F9 to F13: Elasticsearch is away, rejects, is full, loses its answers, and refuses documents."""

import json
import urllib.request
from typing import Any

from tests.faults.kills import strike_when_at_work
from tests.faults.news import REFUSED
from tests.faults.proxy import Mode
from tests.faults.topology import PRODUCTION
from tests.faults.trial import Fault, Trial

OUTAGE_S = 300.0
BULK_S = 120.0
"""How long a fault waits for documents on their way."""

REJECTING = {"indexing_pressure.memory.limit": "1kb"}
"""The memory for writes under way: less than some documents, so that larger requests get a 429."""

WATERMARK = "cluster.routing.allocation.disk"
FULL_DISK = {
    f"{WATERMARK}.threshold_enabled": True,
    f"{WATERMARK}.watermark.low": "1%",
    f"{WATERMARK}.watermark.high": "1%",
    f"{WATERMARK}.watermark.flood_stage": "1%",
    "cluster.info.update.interval": "10s",
}
"""Any disk is fuller than that: the server itself blocks its indices, and lifts that when there is room."""

FLOODED_S = 60.0
REFUSING = "refusing"
IS_REFUSED = f"ctx.url.original.contains('/{REFUSED}/')"
PIPELINE = {
    "processors": [{"convert": {"if": IS_REFUSED, "field": "url.original", "type": "integer"}}],
}
SETTINGS = "_component_template/wireroom-settings"
BAD = 5


def end_for_now(trial: Trial) -> None:
    """End Elasticsearch before anything has begun."""
    trial.system.servers["index"].end()


def take_away(trial: Trial) -> int:
    """Start Elasticsearch late, freeze it, kill it and start it again, in turn."""
    server, kind = trial.system.servers["index"], trial.round % 3
    if server.is_running:
        strike_when_at_work(trial)
    if kind == 1:
        server.send("STOP")
    elif server.is_running:
        server.end("KILL")
    trial.wait(trial.lasts_s)
    server.send("CONT")
    server.start()
    return 1


def reject(trial: Trial) -> int:
    """Let Elasticsearch answer 429 for a while."""
    server = trial.system.servers["index"]
    strike_when_at_work(trial)
    server.end()
    server.start(REJECTING)
    trial.wait(trial.lasts_s)
    given = rejections(trial)
    server.end()
    server.start()
    return given


def rejections(trial: Trial) -> int:
    """Count the requests that were rejected since Elasticsearch began."""
    nodes = ask(trial, "GET", "_nodes/stats/indexing_pressure")["nodes"].values()
    totals = [each["indexing_pressure"]["memory"]["total"] for each in nodes]
    return sum(value for each in totals for name, value in each.items() if name.endswith("_rejections"))


def flood(trial: Trial) -> int:
    """Let Elasticsearch find its disk too full, block its indices, and lift that by itself."""
    strike_when_at_work(trial)
    ask(trial, "PUT", "_cluster/settings", {"persistent": FULL_DISK})
    given = int(trial.wait(FLOODED_S, lambda: is_blocked(trial)))
    trial.wait(trial.lasts_s)
    ask(trial, "PUT", "_cluster/settings", {"persistent": dict.fromkeys(FULL_DISK)})
    trial.wait(FLOODED_S, lambda: not is_blocked(trial))
    return given


def is_blocked(trial: Trial) -> bool:
    """Tell whether an index of ours takes no writes."""
    found = ask(trial, "GET", "wireroom-articles-*/_settings/index.blocks.*")
    return any(each["settings"] for each in found.values())


def lose_replies(trial: Trial) -> int:
    """Cut the connection of each bulk that Elasticsearch has just answered, for a while."""
    proxy = trial.system.proxies["index"]
    before, proxy.losing, proxy.mode = proxy.lost_replies, b"_bulk", Mode.LOSE_REPLIES
    trial.wait(BULK_S, lambda: proxy.lost_replies > before)
    trial.wait(trial.lasts_s)
    proxy.mend()
    return proxy.lost_replies - before


def refuse(trial: Trial) -> None:
    """Let the indices that will be made refuse some of the documents (400), and publish these."""
    ask(trial, "PUT", f"_ingest/pipeline/{REFUSING}", PIPELINE)
    template = ask(trial, "GET", SETTINGS)["component_templates"][0]["component_template"]
    template["template"]["settings"]["index"]["final_pipeline"] = REFUSING
    ask(trial, "PUT", SETTINGS, {"template": template["template"], "_meta": template["_meta"]})
    trial.web.publish(BAD, kind=REFUSED)


def wait_a_while(trial: Trial) -> int:
    """Let articles come in."""
    trial.wait(trial.lasts_s)
    return 1


def ask(trial: Trial, method: str, path: str, body: Any = None) -> Any:
    """Ask Elasticsearch itself something. Raises OSError without a good answer."""
    request = urllib.request.Request(
        f"http://{trial.system.servers['index'].address}/{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


FAULTS = (
    Fault(
        id="F9",
        what="Elasticsearch is away at the start, frozen, killed and started again, five minutes each time",
        prepare=end_for_now,
        inflict=take_away,
        lasts_s=OUTAGE_S,
        rounds={PRODUCTION: 6},
        articles={PRODUCTION: 2000},
    ),
    Fault(
        id="F10",
        what="Elasticsearch rejects what it gets (429) for five minutes",
        inflict=reject,
        lasts_s=OUTAGE_S,
        rounds={PRODUCTION: 2},
        articles={PRODUCTION: 2000},
    ),
    Fault(
        id="F11",
        what="Elasticsearch blocks its indices for five minutes (flood stage)",
        inflict=flood,
        lasts_s=OUTAGE_S,
        rounds={PRODUCTION: 3},
        articles={PRODUCTION: 2000},
    ),
    Fault(
        id="F12",
        what="answers to bulks that were done are lost",
        inflict=lose_replies,
        through=("index",),
        lasts_s=10.0,
        rounds={PRODUCTION: 20},
        articles={PRODUCTION: 2000},
    ),
    Fault(
        id="F13",
        what="Elasticsearch refuses some documents (400), which must end in quarantine",
        prepare=refuse,
        inflict=wait_a_while,
        quarantined=BAD,
        lasts_s=10.0,
        rounds={PRODUCTION: 5},
        articles={PRODUCTION: 2000},
    ),
)
