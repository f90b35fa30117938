"""Two topologies: `wireroom up` on embedded parts, the services of docker-compose.yml on real servers."""

import os
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.services import open_services, set_up
from pipeline.settings import Settings, read_settings
from pipeline.store.subscriptions import NewFeed, add_feeds
from tests.compose_file import ROOT
from tests.faults.crew import Crew, Service
from tests.faults.news import NewsWeb
from tests.faults.parts import EVERYTHING, Server, open_elasticsearch, open_postgresql, open_redis
from tests.faults.proxy import Proxy, open_proxy
from tests.workers.topology import PROGRAMS, give_roles, make_host, move_secret

EMBEDDED, PRODUCTION = "embedded", "production"
POLL_S = 3.0
"""Between two polls of a feed: often enough for edits between two kills, seldom enough to cost little."""

TOML = f"""host_delay = 0
retry_delay = "6h"
poll_min = {POLL_S}
poll_max = {POLL_S}
disk_reserve = 0  # the fault is a disk that is full, not one that nearly is
models = {{}}  # an article costs a third without them, and no fault is about names
"""
ALLOWED = "127.0.0.0/8"
RUNNING = ("net", "enrich", "index", "beat")
CHOSEN = {
    "WIREROOM_USER_AGENT_URL": "https://news.example/bot",
    "WIREROOM_ALLOW_ADDRESSES": ALLOWED,
    "ENRICH_PROCESSES": "2",
}
PARTS = {"store": "postgres:5432/wireroom", "broker": "redis:6379/0", "index": "elasticsearch:9200"}
"""The parts that a proxy may stand before, with the addresses that the secrets give them."""

BEHIND = {"store": "/postgres", "broker": "/0", "index": ""}
"""What stands behind HOST:PORT in the address of a part here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """Hold a running topology: its folder with home and logs, its processes, its settings (past all proxies),
    its proxies and its servers by part."""

    name: str
    folder: Path
    crew: Crew
    settings: Settings
    proxies: Mapping[str, Proxy]
    servers: Mapping[str, Server]


@contextmanager
def open_system(
    topology: str, web: NewsWeb, *, through: Collection[str] = (), keep_leases: bool = False
) -> Iterator[System]:
    """Make a topology that watches a web's feeds, and start nothing of it; `through` names parts that are
    reached by a proxy. Raises ServerMissing."""
    opened = _embedded() if topology == EMBEDDED else _production(through)
    with opened as system:
        if keep_leases:
            _let_keep_leases(system.crew)
        _watch(system.settings, web)
        try:
            yield system
        finally:
            system.crew.kill()


@contextmanager
def _embedded() -> Iterator[System]:
    with _folder() as folder:
        home = folder / "home"
        home.mkdir()
        (home / "wireroom.toml").write_text(TOML)
        environ = {"WIREROOM_HOME": str(home), "WIREROOM_ALLOW_ADDRESSES": ALLOWED}
        settings = read_settings(environ)
        set_up(settings)
        up = Service(name="up", command=[str(PROGRAMS / "wireroom"), "up"], environ={**_others(), **environ})
        crew = Crew(folder / "crew", f"WIREROOM_HOME={home}", {"up": up})
        yield System(name=EMBEDDED, folder=folder, crew=crew, settings=settings, proxies={}, servers={})


@contextmanager
def _production(through: Collection[str]) -> Iterator[System]:
    with ExitStack() as stack:
        folder = stack.enter_context(_folder())
        host = make_host(folder / "host", CHOSEN, TOML)
        secrets = host.folder / "secrets"
        acl = secrets / "redis_acl"
        acl.chmod(0o600)
        acl.write_text(f"{acl.read_text()}{EVERYTHING}\n")
        running = {
            "store": stack.enter_context(open_postgresql()),
            "broker": stack.enter_context(open_redis(ROOT / "deploy" / "redis.conf", acl)),
            "index": stack.enter_context(open_elasticsearch()),
        }
        give_roles(secrets, running["store"].address, "postgres")
        addresses = {part: server.address + BEHIND[part] for part, server in running.items()}
        for part, address in addresses.items():
            move_secret(host, f"{part}_url", PARTS[part], address)
        move_secret(host, "owner_url", PARTS["store"], addresses["store"])
        done = host.run("setup")
        assert done.returncode == 0, done.stderr
        settings = read_settings(host.environ("cli"))
        proxies = {part: stack.enter_context(open_proxy(addresses[part])) for part in through}
        for part, proxy in proxies.items():
            before = addresses[part].partition("/")[0]
            move_secret(host, f"{part}_url", before, proxy.address)
        services = {
            name: Service(
                name=name,
                command=[
                    str(PROGRAMS / host.services[name]["command"][0]),
                    *host.services[name]["command"][1:],
                ],
                environ=host.environ(name),
            )
            for name in RUNNING
        }
        crew = Crew(folder / "crew", f"WIREROOM_HOME={host.folder / 'home'}", services)
        yield System(
            name=PRODUCTION,
            folder=folder,
            crew=crew,
            settings=settings,
            proxies=proxies,
            servers=running,
        )


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="wireroom-faults-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _others() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("WIREROOM_")}


def _let_keep_leases(crew: Crew) -> None:
    for name, each in crew.services.items():
        environ = {**each.environ, "FAULTS_KEEP_LEASES": "1"}
        crew.services[name] = Service(name=name, command=each.command, environ=environ)


def _watch(settings: Settings, web: NewsWeb) -> None:
    services = open_services(settings)
    try:
        add_feeds(services.store, [NewFeed(url=url) for url in web.feeds], interval_s=POLL_S)
    finally:
        services.close()
