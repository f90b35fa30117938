"""The environment of what Wireroom starts: its own settings, all of them, and nothing else of its name."""

import os
from pathlib import Path

from pipeline.settings import EMBEDDED, Settings
from workers.broker import embedded_url

METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable by which prometheus_client learns where processes count together."""


def child_environ(settings: Settings) -> dict[str, str]:
    """Write the environment of a child process."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WIREROOM_")}
    one_thread = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # children are the parallelism
    # Else glibc keeps a heap for each of up to 16 threads, and each as large as its largest bodies were.
    few_heaps = {"MALLOC_ARENA_MAX": "2"}
    url = settings.broker_url if settings.broker_url != EMBEDDED else embedded_url(settings)
    # The supervisor sees by itself who ends, and serves what its children count.
    parts = {"WIREROOM_BROKER_URL": url, "WIREROOM_HEARTBEAT": "", "WIREROOM_METRICS_ADDRESS": ""}
    return {**kept, **one_thread, **few_heaps, **settings.as_environ(), **parts}


def metrics_folder() -> Path | None:
    """Tell where this process counts together with others; None: by itself."""
    return Path(folder) if (folder := os.environ.get(METRICS_FOLDER)) else None


def set_metrics_folder(folder: Path) -> None:
    """Let this process, and those that it starts, count in a folder."""
    os.environ[METRICS_FOLDER] = str(folder)
