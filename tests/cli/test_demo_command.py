"""The first thing that a newcomer types."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

BARE_PATH = "/usr/bin:/bin"  # a newcomer's, who has not activated the environment
WIREROOM = (sys.executable, "-c", "from pipeline.cli import main; main()")


def wireroom(*arguments: str, home: Path) -> "subprocess.CompletedProcess[str]":
    environ = {name: value for name, value in os.environ.items() if not name.startswith("WIREROOM_")}
    return subprocess.run(
        [*WIREROOM, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**environ, "WIREROOM_HOME": str(home), "PATH": BARE_PATH},
    )


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Run the demo once; give its home and what it printed."""
    home = tmp_path_factory.mktemp("demo")
    ran = wireroom("demo", home=home)
    assert ran.returncode == 0, ran.stderr
    return home / "demo", ran.stdout


def test_every_entry_is_accounted_for(shown: tuple[Path, str]) -> None:
    _, said = shown
    sums = re.search(
        r"(\d+) - (\d+) - (\d+) = (\d+) = (\d+) indexed \+ (\d+) dropped \+ (\d+) quarantined\n", said
    )
    assert sums is not None
    entries, without_link, again, articles, indexed, dropped, quarantined = map(int, sums.groups())
    assert entries - without_link - again == articles == indexed + dropped + quarantined
    assert (entries, articles, indexed) == (83, 74, 72)


def test_three_searches_find_something(shown: tuple[Path, str]) -> None:
    _, said = shown
    totals = [int(total) for total in re.findall(r"^(\d+) articles? in", said, re.MULTILINE)]
    assert len(totals) == 3
    assert all(totals)


def test_the_edit_is_noticed(shown: tuple[Path, str]) -> None:
    assert re.search(r"Edited meanwhile and noticed: .*, revision 2\.\n", shown[1])


def test_the_next_commands_work_on_its_home(shown: tuple[Path, str]) -> None:
    home, said = shown
    *pasted, last = said.rpartition("Try next:\n")[2].splitlines()
    assert last.startswith("wireroom add ")
    ran = subprocess.run(
        ["bash", "-e", "-c", "\n".join([*pasted, 'echo "at home in $WIREROOM_HOME"'])],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": BARE_PATH, "WIREROOM_HOME": "/nowhere"},
    )
    assert ran.returncode == 0, ran.stderr
    assert "articles  74 = 72 indexed + 2 dropped + 0 quarantined\n" in ran.stdout
    assert ran.stdout.endswith(
        f"at home in {home.parent}\n"
    )  # what is added next does not go into the demo's
    assert wireroom("status", "--check", home=home).returncode == 0


def test_a_folder_that_no_demo_made_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "thesis.txt").write_text("precious")
    ran = wireroom("demo", home=tmp_path)
    assert (ran.returncode, ran.stderr.count("\n")) == (1, 1)
    assert (tmp_path / "demo" / "thesis.txt").exists()
