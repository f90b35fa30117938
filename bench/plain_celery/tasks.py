"""The pipeline that Wireroom is compared with: an article is a chain of three tasks, fetch → extract → index.

It is what Celery's own guide and the usual advice come to, and as kind to Celery as it can be:

- `acks_late` and `reject_on_worker_lost`: a message is acknowledged when its task is done, never before
- prefetch 1: a worker holds no more than its children work on
- a visibility timeout of many times the longest task: what a killed worker held comes back, and nothing else
- no result backend; a task that cannot reach its neighbour is tried again, for ever
- the broker's file is appended to (`appendonly yes`), and the broker is never killed
- the links are handed over by a process that is never killed, so no article is lost before it is a message
- the index takes one atomic write an article (a counter in Redis), so no article is lost half written

The sweep for what killed workers held comes every 5 s and is blocked for 30 s by a sweeper that is killed
(100 s and 300 s by default): that changes how long one waits at the end, not what is lost.
"""

import os
import urllib.request
from functools import cache

import trafilatura
from celery import Celery, chain
from redis import Redis
from redis.exceptions import RedisError

BROKER, INDEX = "PLAIN_BROKER", "PLAIN_INDEX"
"""Variables with the addresses of the two."""

WRITES = "writes"
"""The index: how often each link was written."""

VISIBILITY_S = 30
FETCH_S = 10.0

app = Celery("plain", broker=os.environ.get(BROKER))
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    task_ignore_result=True,
    task_time_limit=VISIBILITY_S // 2,
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        "visibility_timeout": VISIBILITY_S,
        "unacked_restore_interval": 5,
        "unacked_mutex_expire": 30,
    },
)


def ingest(link: str) -> None:
    """Hand an article over: a chain of tasks, each of which publishes the next, then is acknowledged."""
    chain(fetch.s(link), extract.s(), index.s()).apply_async()


@app.task(autoretry_for=(OSError,), retry_backoff=True, max_retries=None)
def fetch(link: str) -> tuple[str, str]:
    """Fetch a page; return its link and its HTML."""
    with urllib.request.urlopen(link, timeout=FETCH_S) as response:
        return link, response.read().decode()


@app.task
def extract(page: tuple[str, str]) -> tuple[str, str]:
    """Return a page's link and its text."""
    link, html = page
    return link, trafilatura.extract(html) or ""


@app.task(autoretry_for=(RedisError,), retry_backoff=True, max_retries=None)
def index(article: tuple[str, str]) -> None:
    """Write an article; a second time is counted, where Elasticsearch would write over the first."""
    link, _ = article
    _index().hincrby(WRITES, link, 1)


@cache
def _index() -> Redis:
    return Redis.from_url(os.environ[INDEX])
