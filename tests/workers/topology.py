"""docker-compose.yml without containers: its commands and settings, on servers and folders of this host."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.settings import EMBEDDED
from tests.compose_file import ROOT, SECRETS, services
from tests.servers import free_port
from tests.workers.asking_http import get

PROGRAMS = Path(sys.executable).parent
MAKE_SECRETS = ROOT / "deploy" / "make-secrets.sh"
ROLES = ROOT / "deploy" / "postgresql-roles.sh"
STOP_S = 10.0
METRICS = "0.0.0.0:9464"


@dataclass(frozen=True, slots=True)
class Host:
    """Hold where the services run: a folder with their home, archive, secrets and heartbeats."""

    folder: Path
    services: Mapping[str, Mapping[str, Any]]
    ports: Mapping[str, int]  # here each service has the others' address, and so a port of its own

    def environ(self, name: str) -> dict[str, str]:
        """Give a service's environment, paths in the container made paths here."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("WIREROOM_")}
        chosen = {key: self.here(value, name) for key, value in self.services[name]["environment"].items()}
        return {**kept, "PYTHONPATH": str(ROOT), "WIREROOM_HOME": str(self.folder / "home"), **chosen}

    def here(self, written: str, name: str) -> str:
        """Turn what is a path in a service's container into what it is on this machine."""
        written = written.replace("/srv/wireroom/", f"{self.folder}/")
        written = written.replace("/tmp/heartbeat", f"{self.folder}/heartbeat-{name}")
        written = written.replace(METRICS, f"127.0.0.1:{self.ports[name]}")
        return written.replace(SECRETS, f"{self.folder}/secrets/")

    def ask(self, name: str, path: str) -> tuple[int, str]:
        """Ask a service's metrics address; return status and body."""
        return get(f"http://127.0.0.1:{self.ports[name]}{path}")

    def run(self, name: str) -> "subprocess.CompletedProcess[str]":
        """Run a one-shot service."""
        program, *words = self.services[name]["command"]
        command = [PROGRAMS / program, *words]
        return subprocess.run(
            command,
            env=self.environ(name),
            cwd=self.folder / "cwd",
            capture_output=True,
            text=True,
            check=False,
        )

    @contextmanager
    def start(self, name: str) -> "Iterator[subprocess.Popen[bytes]]":
        """Run a service until the block ends; kill what is left of it then."""
        program, *words = self.services[name]["command"]
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [PROGRAMS / program, *words],
                env=self.environ(name),
                cwd=self.folder / "cwd",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def is_healthy(self, name: str) -> bool:
        """Ask a service's health check."""
        kind, script = self.services[name]["healthcheck"]["test"]
        assert kind == "CMD-SHELL"
        environ = self.environ(name)
        environ["PATH"] = f"{PROGRAMS}:{environ['PATH']}"
        command = ["/bin/sh", "-c", self.here(script, name)]
        return subprocess.run(command, env=environ, check=False).returncode == 0


def make_host(folder: Path, chosen: Mapping[str, str], toml: str) -> Host:
    """Do what a person does first: make passwords, choose what `.env` has, write `wireroom.toml`."""
    for name in ("home", "cwd"):
        (folder / name).mkdir(parents=True)
    (folder / "home" / "wireroom.toml").write_text(toml)
    subprocess.run([MAKE_SECRETS, folder / "secrets"], check=True, capture_output=True)
    found = services(chosen)
    return Host(folder, found, {name: free_port() for name in found})


def give_roles(secrets: Path, address: str, database: str) -> None:
    """Run the script of the service `postgres-roles`, twice: it may be run again."""
    for _ in range(2):
        ran = run_roles(secrets, address, database)
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "roles are as they should be\n", "")


def run_roles(secrets: Path, address: str, database: str) -> "subprocess.CompletedProcess[str]":
    """Run the script of the service `postgres-roles`."""
    server, _, port = address.partition(":")
    places = {"PGHOST": server, "PGPORT": port, "PGDATABASE": database, "SECRETS": str(secrets)}
    return subprocess.run([ROLES], env={**os.environ, **places}, capture_output=True, text=True, check=False)


def choose_embedded_index(host: Host) -> None:
    """Let the services keep the embedded index instead of Elasticsearch."""
    path = host.folder / "secrets" / "index_url"
    path.chmod(0o600)
    path.write_text(EMBEDDED)


def move_secret(host: Host, name: str, there: str, here: str) -> None:
    """Let an address that is kept as a secret name a server of this machine."""
    path = host.folder / "secrets" / name
    written = path.read_text()
    assert there in written
    path.chmod(0o600)
    path.write_text(written.replace(there, here))


def end_all(processes: "Sequence[subprocess.Popen[bytes]]") -> list[int]:
    """Ask processes to stop and return their exit statuses; fails when one needs more than STOP_S."""
    for process in processes:
        process.send_signal(signal.SIGTERM)
    ends_at = time.monotonic() + STOP_S
    return [process.wait(max(0.1, ends_at - time.monotonic())) for process in processes]
