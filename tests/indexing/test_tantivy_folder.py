"""What is particular to the embedded index: one folder, one writer, many readers."""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.errors import IndexBusyError, QueryError, WireroomError
from pipeline.indexing.tantivy import TantivyGenerations, TantivyIndex
from pipeline.indexing.tantivy_schema import SCHEMA
from pipeline.model import Document, Stamps, TextSource
from pipeline.search.request import read_request
from pipeline.search.tantivy import open_searcher

WRITER = """
import sys
from pathlib import Path
from pipeline.indexing.tantivy import TantivyGenerations
index = TantivyGenerations(Path(sys.argv[1])).open("g1")
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


def opened(folder: Path, generation: str = "g1") -> TantivyIndex:
    return TantivyGenerations(folder).open(generation)


def exposed(folder: Path) -> TantivyIndex:
    index = opened(folder)
    TantivyGenerations(folder).expose("g1")
    return index


def fill(folder: Path, *ids: str, generation: str = "g1") -> None:
    with closing(opened(folder, generation)) as index:
        index.put([document(id) for id in ids])
        index.commit()
    TantivyGenerations(folder).expose(generation)


def held(folder: Path) -> list[str]:
    hits = open_searcher(folder).search(read_request("", now=2e9, size=100)).hits
    return sorted(hit.id for hit in hits)


def test_a_folder_is_made_once_and_keeps_its_documents(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "index"
    assert not TantivyGenerations(folder).exists("g1")
    fill(folder, "a")
    fill(folder, "b")
    assert held(folder) == ["a", "b"]


def test_an_index_of_an_older_schema_is_made_anew(tmp_path: Path) -> None:
    fill(tmp_path, "a")
    (tmp_path / "g1" / "generation.json").write_text(json.dumps({"schema": SCHEMA - 1}))
    with pytest.raises(WireroomError, match="built by another version; `wireroom up` builds it anew"):
        open_searcher(tmp_path)
    fill(tmp_path, "b")
    assert held(tmp_path) == ["b"]


@pytest.mark.parametrize("lost", ["generation.json", "meta.json"])
def test_a_folder_that_is_not_whole_is_made_anew(tmp_path: Path, lost: str) -> None:
    fill(tmp_path, "a")
    (tmp_path / "g1" / lost).unlink()
    assert not TantivyGenerations(tmp_path).exists("g1")
    with pytest.raises(WireroomError, match=r"there is no index in .* yet"):
        open_searcher(tmp_path)
    fill(tmp_path, "b")
    assert held(tmp_path) == ["b"]


@pytest.mark.parametrize("damage", ["meta.json", "segment"])
def test_a_damaged_index_says_what_to_do(tmp_path: Path, damage: str) -> None:
    fill(tmp_path, "a")
    path = tmp_path / "g1" / damage if damage == "meta.json" else next(tmp_path.glob("g1/*.term"))
    path.write_bytes(b"{")
    with pytest.raises(WireroomError, match="delete the folder, `wireroom up` refills it"):
        opened(tmp_path)


def test_an_index_beside_which_nothing_can_be_written_is_not_called_damaged(tmp_path: Path) -> None:
    fill(tmp_path, "a")
    lock = tmp_path / "g1" / ".tantivy-meta.lock"
    lock.unlink(missing_ok=True)
    lock.mkdir()
    with pytest.raises(WireroomError, match=r"cannot be used .* look whether its disk is full"):
        opened(tmp_path)


def test_files_of_others_are_left_alone_and_are_no_generations(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    (tmp_path / "letters").mkdir()
    fill(tmp_path, "a")
    fill(tmp_path, "a", generation="g2")
    TantivyGenerations(tmp_path).delete("g1")
    assert (tmp_path / "letter.txt").read_text() == "dear"
    assert TantivyGenerations(tmp_path).names() == ["g2"]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WireroomError, match=r"the index cannot be made in .*/file/index: Not a directory"):
        opened(tmp_path / "file" / "index")


def test_a_second_writer_of_a_generation_is_refused_and_readers_are_not(tmp_path: Path) -> None:
    with closing(opened(tmp_path)) as index:
        with pytest.raises(IndexBusyError, match="another process is writing"):
            opened(tmp_path)
        with pytest.raises(IndexBusyError, match="another process is writing"):
            TantivyGenerations(tmp_path).delete("g1")
        fill(tmp_path, "b", generation="g2")
        index.put([document("a")])
        index.commit()
        TantivyGenerations(tmp_path).expose("g1")
        assert held(tmp_path) == ["a"]
    fill(tmp_path, "b")


def test_of_many_that_make_a_generation_at_once_one_writes_it(tmp_path: Path) -> None:
    def make(_number: int) -> TantivyIndex | None:
        try:
            return opened(tmp_path)
        except IndexBusyError:
            return None

    with ThreadPoolExecutor(8) as pool:
        made = [index for index in pool.map(make, range(8)) if index is not None]
    assert len(made) == 1
    with closing(made[0]) as index:
        index.put([document("a")])
        index.commit()
    assert [each.id for each in TantivyGenerations(tmp_path).held("g1")] == ["a"]


def test_what_a_killed_maker_left_is_in_nobodys_way(tmp_path: Path) -> None:
    for left in (".draft", ".doomed", "exposed.1"):
        (tmp_path / left).mkdir()
        (tmp_path / left / "meta.json").write_text("{")
    fill(tmp_path, "a")
    TantivyGenerations(tmp_path).open("g2").close()
    TantivyGenerations(tmp_path).delete("g2")
    assert (held(tmp_path), TantivyGenerations(tmp_path).names()) == (["a"], ["g1"])


def test_an_open_searcher_follows_the_exposed_generation_though_the_old_one_is_deleted(
    tmp_path: Path,
) -> None:
    fill(tmp_path, "a")
    searcher = open_searcher(tmp_path)
    on_g1 = open_searcher(tmp_path, "g1")
    fill(tmp_path, "b", "c", generation="g2")
    assert (searcher.get("a"), searcher.search(read_request("", now=2e9)).total) == (None, 2)
    assert on_g1.search(read_request("", now=2e9)).total == 1
    TantivyGenerations(tmp_path).delete("g1")
    assert searcher.search(read_request("", now=2e9)).total == 2


def test_a_killed_writer_leaves_no_lock_and_no_damage(tmp_path: Path) -> None:
    fill(tmp_path, "a")
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writing\n"
        with pytest.raises(IndexBusyError):
            opened(tmp_path)
        os.kill(writer.pid, signal.SIGKILL)
    fill(tmp_path, "b")
    assert held(tmp_path) == ["a", "b"]


def test_an_open_searcher_sees_what_is_committed_later(tmp_path: Path) -> None:
    fill(tmp_path, "a")
    searcher = open_searcher(tmp_path)
    fill(tmp_path, "b")
    assert searcher.search(read_request("", now=2e9)).total == 2


def test_what_was_not_committed_is_gone_after_closing(tmp_path: Path) -> None:
    index = exposed(tmp_path)
    index.put([document("a")])
    index.close()
    index.close()
    assert held(tmp_path) == []
    with pytest.raises(WireroomError, match="the index is closed"):
        index.put([document("b")])


def test_a_beginning_in_a_row_that_fits_too_many_words_is_refused(tmp_path: Path) -> None:
    index = exposed(tmp_path)
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
    index = exposed(tmp_path)
    with closing(index):
        for version in range(1, 21):
            index.put([document(f"a{number}", version) for number in range(5)])
            index.commit()
        held_now = {(each.id, each.version) for each in TantivyGenerations(tmp_path).held("g1")}
        assert (index.count(), held_now) == (5, {(f"a{number}", 20) for number in range(5)})
    assert len(list(tmp_path.glob("g1/*.term"))) < 12
