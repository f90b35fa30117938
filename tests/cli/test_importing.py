"""`wireroom feeds import` of files that are hardly lists of feeds, or none."""

from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from gzip import compress
from pathlib import Path

import pytest

from tests.cli.conftest import Wireroom
from tests.cli.newsroom import FEED

LIST = f'<opml version="2.0"><body><outline text="一" xmlUrl="{FEED}"/></body></opml>'


def test_what_is_added_from_a_file_of_other_lines_is_named(wireroom: Wireroom, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(f"# Read me\n\nFirst run it.\n{FEED}\nThen look.\nThat is all.\n")
    ran = wireroom("feeds", "import", str(tmp_path / "README.md"))
    assert (ran.code, ran.out) == (0, "1 feed added, 0 known already, 3 lines skipped\n")
    assert f"wireroom: added: {FEED}\n" in ran.err


def test_of_a_list_with_a_few_faults_the_feeds_are_not_named(wireroom: Wireroom, tmp_path: Path) -> None:
    (tmp_path / "urls").write_text(f"{FEED}\nhttps://ledger.example/rss\nnot an address\n")
    assert "added: " not in wireroom("feeds", "import", str(tmp_path / "urls")).err


@pytest.mark.parametrize(
    "body", [b"\x7fELF\0\0\nmore\n%s\n" % FEED.encode(), compress(LIST.encode(), mtime=0)]
)
def test_a_file_that_is_no_text_is_refused_in_one_line(
    wireroom: Wireroom, tmp_path: Path, home: Path, body: bytes
) -> None:
    (tmp_path / "file").write_bytes(body)
    ran = wireroom("feeds", "import", str(tmp_path / "file"))
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == f"wireroom: {tmp_path / 'file'} is no list of feeds: it is no text\n"
    assert not home.exists()


@pytest.mark.parametrize(
    "body",
    [
        BOM_UTF16_LE + LIST.encode("utf-16-le"),
        BOM_UTF16_BE + LIST.encode("utf-16-be"),
        BOM_UTF16_LE + f"{FEED} 一\n".encode("utf-16-le"),
        f"{FEED}\n".encode("utf-16-le"),
    ],
)
def test_a_list_in_utf_16_is_read(wireroom: Wireroom, tmp_path: Path, body: bytes) -> None:
    (tmp_path / "list").write_bytes(body)
    wireroom("feeds", "import", str(tmp_path / "list"))
    assert wireroom("feeds", "list", "--json").json["url"] == FEED
