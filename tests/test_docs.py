"""What the documentation shows exists, and what exists is documented."""

import ast
import inspect
import re
import shlex
import textwrap
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pytest
import typer.main
from typer.core import TyperCommand, TyperGroup

from pipeline import flow
from pipeline.cli.root import make_app
from pipeline.cli.wording import MEANING
from pipeline.model import Stage
from pipeline.outcomes import Cause, FeedSlug, FetchSlug, Partial, Reason
from pipeline.search.request import read_request
from pipeline.settings import FROM_FILE, default_home, origins, read_settings

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
OPERATING = ROOT / "docs" / "operating.md"
OUTCOMES = ROOT / "docs" / "outcomes.md"
SEEDS, BENCH = ROOT / "seeds" / "README.md", ROOT / "bench" / "README.md"
DOCS = (README, CONTRIBUTING, SEEDS, BENCH, *sorted((ROOT / "docs").glob("*.md")))

FENCE = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]\n]+\]\(([^)\s]+)\)")
PATH = re.compile(r"(?:\.?[\w-]+/)+[\w.-]*|[\w.-]+\.(?:md|py|toml|opml|lock)")
KINDS = (TyperCommand, TyperGroup)
COMMENT = re.compile(r"\s{2,}.*|\s#.*")

SLUG_TABLES: tuple[tuple[str, type[StrEnum]], ...] = (
    ("Partial", Partial),
    ("Dropped", Reason),
    ("Quarantined", Cause),
    ("Requests without a usable answer", FetchSlug),
    ("Answers that were no feed", FeedSlug),
)
VARYING_DEFAULTS = {  # they depend on the machine
    "WIREROOM_HOME": f"`{str(default_home({})).replace(str(Path.home()), '~', 1)}`",
    "WIREROOM_CONCURRENCY": "(by processors and memory)",
}


def code(page: Path) -> Iterator[str]:
    """Yield what a page shows as code: lines of its fences, then its spans."""
    text = page.read_text()
    for fence in FENCE.findall(text):
        yield from fence.splitlines()
    yield from SPAN.findall(FENCE.sub("", text))


def shown_commands(page: Path, program: str) -> Iterator[list[str]]:
    """Yield the words of every command of a program that a page shows, comments and what follows left out."""
    for line in code(page):
        for part in re.split(r" && |; ", COMMENT.sub("", line.removeprefix("$ "))):
            if part.startswith(f"{program} "):
                yield shlex.split(part)[1:]


@dataclass(frozen=True)
class Shown:
    """Hold a command as a page shows it: the path in the tree of commands, the command, and its words."""

    path: tuple[str, ...]
    command: TyperCommand | TyperGroup
    words: tuple[str, ...]


def commands() -> TyperGroup:
    """Return the tree of commands, which begins with `wireroom` itself."""
    app = typer.main.get_command(make_app())
    assert isinstance(app, TyperGroup)
    return app


def known(group: TyperGroup) -> dict[str, TyperCommand | TyperGroup]:
    """Return the commands of a group by their names."""
    return {name: command for name, command in group.commands.items() if isinstance(command, KINDS)}


def options(command: TyperCommand | TyperGroup) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts} | {"--help"}


def find_command(words: Sequence[str]) -> Shown:
    """Walk down the tree of commands. Raises KeyError for one that does not exist."""
    command: TyperCommand | TyperGroup = commands()
    path: list[str] = []
    rest = list(words)
    while isinstance(command, TyperGroup) and rest and not rest[0].startswith("-"):
        path.append(rest.pop(0))
        command = known(command)[path[-1]]
    return Shown(tuple(path), command, tuple(rest))


def leaves(group: TyperGroup, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every command."""
    for name, command in known(group).items():
        if isinstance(command, TyperGroup):
            yield from leaves(command, (*path, name))
        if not isinstance(command, TyperGroup) or command.invoke_without_command:
            yield (*path, name)


def rows(page: Path, heading: str) -> list[list[str]]:
    """Read the rows of the table under the heading that begins so, without its head."""
    sections = re.split(r"^## ", page.read_text(), flags=re.MULTILINE)
    (section,) = (section for section in sections if section.startswith(heading))
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def first_cells(page: Path, heading: str) -> list[str]:
    return [row[0].strip("| `") for row in rows(page, heading)]


def anchors(page: Path) -> set[str]:
    """Name a page's headings as links do."""
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


EXAMPLES = [
    pytest.param(words, id=f"{page.name}: wireroom {' '.join(words)}")
    for page in DOCS
    for words in shown_commands(page, "wireroom")
]


@pytest.mark.parametrize("words", EXAMPLES)
def test_a_command_that_is_shown_exists_with_its_options(words: list[str]) -> None:
    shown = find_command([word for word in words if word != "…"])
    assert {word for word in shown.words if word.startswith("--")} - {"--"} <= options(shown.command)


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_an_option_that_is_named_alone_exists(page: Path) -> None:
    all_options = {option for path in leaves(commands()) for option in options(find_command(path).command)}
    assert {words.split()[0] for words in code(page) if re.match(r"--\w", words)} <= all_options


def test_every_command_is_in_the_table_of_commands() -> None:
    told = {find_command(cell.split()[1:]).path for cell in first_cells(OPERATING, "Commands")}
    resume = {("feeds", "resume")}  # told beside its opposite
    assert told | resume == set(leaves(commands()))


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_a_search_that_is_shown_parses(page: Path) -> None:
    for words in shown_commands(page, "wireroom"):
        if words[0] == "search" and words[1] != "…":
            read_request(words[1], now=0.0)


@pytest.mark.parametrize("page", [README, OPERATING], ids=lambda page: page.name)
def test_the_workers_that_are_shown_serve_every_stage(page: Path) -> None:
    queues = [words[words.index("-Q") + 1] for words in shown_commands(page, "celery") if "-Q" in words]
    assert sorted(",".join(queues).split(",")) == sorted(Stage)


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_a_setting_that_is_named_exists(page: Path) -> None:
    settings = read_settings({})
    known = {origin.name for origin in origins(settings, {})}
    named = {name.removesuffix(FROM_FILE) for name in re.findall(r"WIREROOM_[A-Z_]+", page.read_text())}
    assert named <= known


def test_every_setting_is_told_with_its_default(tmp_path: Path) -> None:
    known = origins(read_settings({"WIREROOM_HOME": str(tmp_path)}), {})
    defaults = {origin.name: f"`{origin.value}`" if origin.value else "(empty)" for origin in known}
    told = {row[0].strip("| `"): row[1] for row in rows(OPERATING, "Settings")}
    assert told == defaults | VARYING_DEFAULTS


@pytest.mark.parametrize(("heading", "slugs"), SLUG_TABLES, ids=[heading for heading, _ in SLUG_TABLES])
def test_every_slug_is_explained_and_no_other(heading: str, slugs: type[StrEnum]) -> None:
    assert sorted(first_cells(OUTCOMES, heading)) == sorted(slugs)


def test_every_problem_of_status_is_explained_and_no_other() -> None:
    source = ast.parse((ROOT / "pipeline" / "store" / "status.py").read_text())
    calls = (node for node in ast.walk(source) if isinstance(node, ast.Call))
    problems = {ast.literal_eval(call.args[0]) for call in calls if ast.unparse(call.func) == "Problem"}
    assert set(first_cells(OPERATING, "Problems")) == problems


@pytest.mark.parametrize("page", [README, CONTRIBUTING], ids=lambda page: page.name)
def test_a_path_that_is_named_exists(page: Path) -> None:
    words = {word.rstrip(",:;.") for line in code(page) for word in line.split()}
    paths = {word for word in words if PATH.fullmatch(word)}
    assert paths
    places = (ROOT, ROOT / "pipeline")  # a file of the domain's own floor goes by its bare name
    assert {path for path in paths if not any((place / path).exists() for place in places)} == set()


def test_make_targets_that_are_shown_exist_and_all_are_shown() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    shown = {words[0] for page in DOCS for words in shown_commands(page, "make")}
    told = {words[0] for page in (README, CONTRIBUTING) for words in shown_commands(page, "make")}
    assert shown <= targets
    assert targets <= told


def test_the_diagram_is_that_of_the_flow() -> None:
    said = inspect.getdoc(flow) or ""
    (drawn,) = (part for part in re.split(r"\n\n(?=\S)", said) if "──►" in part)
    diagram = textwrap.dedent(drawn.partition("\n\n")[2] or drawn).rstrip()
    shown = [textwrap.dedent(fence).rstrip() for fence in FENCE.findall(README.read_text())]
    assert diagram in shown


def test_the_funnel_that_is_shown_is_that_of_the_sample_web() -> None:
    expected = tomllib.loads((ROOT / "seeds" / "sample" / "expected.toml").read_text())
    (funnel,) = (fence for fence in FENCE.findall(README.read_text()) if "entries in all feeds" in fence)
    counts = {
        what.strip(): int(count)
        for count, what in re.findall(r"^ ?(-?\d+)  (.*?)(?:  .*)?$", funnel, re.MULTILINE)
    }
    assert counts["entries in all feeds"] == expected["entries"]
    assert counts["without a link"] == -expected["entries_without_link"]
    assert counts["articles"] == expected["articles"]
    assert counts["indexed with their page's text"] == expected["indexed_whole"]
    assert counts["dropped: duplicate"] == expected["duplicates"]


def test_slugs_are_put_into_words_as_the_captures_have_them() -> None:
    captured = re.findall(
        r"^ \d  (?:indexed from the feed|dropped): (\S+) +(.+)$", README.read_text(), re.MULTILINE
    )
    assert captured
    assert {slug: MEANING[slug] for slug, _ in captured} == dict(captured)


@pytest.mark.parametrize("page", [*DOCS, ROOT / "CHANGELOG.md"], ids=lambda page: page.name)
def test_links_between_pages_resolve(page: Path) -> None:
    for link in LINK.findall(FENCE.sub("", page.read_text())):
        if "://" in link:
            continue
        target, _, anchor = link.partition("#")
        linked = page.parent / target if target else page
        assert linked.exists(), link
        assert not anchor or anchor in anchors(linked), link


def test_the_changelog_knows_the_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    newest = re.findall(r"^## \[?([\w.]+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[0]
    assert newest in ("Unreleased", version)
