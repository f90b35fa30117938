"""What is particular to the embedded index: one folder, one writer, many readers."""

import json
import os
import signal
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.errors import IndexBusyError, QueryError, WireroomError
from pipeline.indexing.tantivy import open_or_create
from pipeline.indexing.tantivy_folder import FolderState, folder_state
from pipeline.indexing.tantivy_schema import SCHEMA
from pipeline.model import Document, Stamps, TextSource
from pipeline.search.request import read_request
from pipeline.search.tantivy import open_searcher

WRITER = """
import sys
from pathlib import Path
from pipeline.indexing.tantivy import open_or_create
index, made = open_or_create(Path(sys.argv[1]), generation="g1")
print("writing", flush=True)
sys.stdin.read()
"""


def document(id: str, version: int = 1) -> Document:
    return Document(
        id=id,
        version=version,
        revision=1,
        url=f"https://example.com/{id}",
        title="Title",
        text="Some text",
        authors=(),
        tags=(),
        language="en",
        outlet="example.com",
        outlet_name="Example",
        published=None,
        first_seen_at=1e9,
        text_source=TextSource.PAGE,
        partial=None,
        entities=(),
        fingerprint=(),
        sightings=(),
        stamps=Stamps(extractor="test", language="test", model=None, rules=1),
    )


def fill(folder: Path, *ids: str, generation: str = "g1") -> bool:
    """Put documents; says whether the folder was made anew."""
    index, made = open_or_create(folder, generation=generation)
    with closing(index):
        index.put([document(id) for id in ids])
        index.commit()
    return made


def held(folder: Path) -> list[str]:
    hits = open_searcher(folder).search(read_request("", now=2e9, size=100)).hits
    return sorted(hit.id for hit in hits)


def test_a_folder_is_made_once_and_keeps_its_documents(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "index"
    assert folder_state(folder) is None
    assert fill(folder, "a")
    assert folder_state(folder) == FolderState("g1", SCHEMA)
    assert not fill(folder, "b")
    assert held(folder) == ["a", "b"]


def test_another_generation_begins_empty(tmp_path: Path) -> None:
    fill(tmp_path, "a")
    assert fill(tmp_path, "b", generation="g2")
    assert held(tmp_path) == ["b"]


def test_an_index_of_an_older_schema_is_made_anew(tmp_path: Path) -> None:
    fill(tmp_path, "a")
    (tmp_path / "generation.json").write_text(json.dumps({"generation": "g1", "schema": SCHEMA - 1}))
    with pytest.raises(WireroomError, match="built by another version; `wireroom up` builds it anew"):
        open_searcher(tmp_path)
    assert fill(tmp_path, "b")
    assert held(tmp_path) == ["b"]


@pytest.mark.parametrize("lost", ["generation.json", "meta.json"])
def test_a_folder_that_is_not_whole_is_made_anew(tmp_path: Path, lost: str) -> None:
    fill(tmp_path, "a")
    (tmp_path / lost).unlink()
    with pytest.raises(WireroomError, match=r"there is no index in .* yet"):
        open_searcher(tmp_path)
    assert fill(tmp_path, "b")
    assert held(tmp_path) == ["b"]


@pytest.mark.parametrize("damage", ["meta.json", "segment"])
def test_a_damaged_index_says_what_to_do(tmp_path: Path, damage: str) -> None:
    fill(tmp_path, "a")
    path = tmp_path / damage if damage == "meta.json" else next(tmp_path.glob("*.term"))
    path.write_bytes(b"{")
    with pytest.raises(WireroomError, match="delete the folder, `wireroom up` refills it"):
        open_or_create(tmp_path, generation="g1")


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    fill(tmp_path, "a")
    fill(tmp_path, "a", generation="g2")
    assert (tmp_path / "letter.txt").read_text() == "dear"


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WireroomError, match=r"the index cannot be made in .*/file/index: Not a directory"):
        open_or_create(tmp_path / "file" / "index", generation="g1")


def test_a_second_writer_is_refused_and_readers_are_not(tmp_path: Path) -> None:
    index, _ = open_or_create(tmp_path, generation="g1")
    with closing(index):
        for generation in ("g1", "g2"):
            with pytest.raises(IndexBusyError, match="another process is writing"):
                open_or_create(tmp_path, generation=generation)
        index.put([document("a")])
        index.commit()
        assert held(tmp_path) == ["a"]
    assert not fill(tmp_path, "b")


def test_a_killed_writer_leaves_no_lock_and_no_damage(tmp_path: Path) -> None:
    fill(tmp_path, "a")
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writing\n"
        with pytest.raises(IndexBusyError):
            open_or_create(tmp_path, generation="g1")
        os.kill(writer.pid, signal.SIGKILL)
    assert not fill(tmp_path, "b")
    assert held(tmp_path) == ["a", "b"]


def test_an_open_searcher_sees_what_is_committed_later(tmp_path: Path) -> None:
    fill(tmp_path, "a")
    searcher = open_searcher(tmp_path)
    fill(tmp_path, "b")
    assert searcher.search(read_request("", now=2e9)).total == 2


def test_what_was_not_committed_is_gone_after_closing(tmp_path: Path) -> None:
    index, _ = open_or_create(tmp_path, generation="g1")
    index.put([document("a")])
    index.close()
    index.close()
    assert held(tmp_path) == []
    with pytest.raises(WireroomError, match="the index is closed"):
        index.put([document("b")])


def test_a_beginning_in_a_row_that_fits_too_many_words_is_refused(tmp_path: Path) -> None:
    index, _ = open_or_create(tmp_path, generation="g1")
    with closing(index):
        index.put(
            [replace(document("a"), text=" ".join(f"covid {number}" for number in range(100_000, 116_400)))]
        )
        index.commit()
    searcher = open_searcher(tmp_path)
    assert searcher.search(read_request("1*", now=2e9)).total == 1
    with pytest.raises(QueryError, match="too many words begin like the one before the"):
        searcher.search(read_request("covid-1*", now=2e9))


def test_many_commits_and_replacements_are_merged_into_few_segments(tmp_path: Path) -> None:
    index, _ = open_or_create(tmp_path, generation="g1")
    with closing(index):
        for version in range(1, 21):
            index.put([document(f"a{number}", version) for number in range(5)])
            index.commit()
        assert (index.count(), set(index.versions())) == (5, {(f"a{number}", 20) for number in range(5)})
    assert len(list(tmp_path.glob("*.term"))) < 12
