"""What `search --significant` says when nothing stands out."""

from pathlib import Path

from pipeline.model import Entity, Label
from pipeline.store.store import Store
from tests.cli.conftest import Wireroom
from tests.cli.newsroom import publish
from tests.cli.test_exports import story, write

SAID = "nothing stands out: no value has at least 3 hits, and a larger share of them than of all articles\n"


def test_that_nothing_stands_out_is_said(wireroom: Wireroom, store: Store, home: Path) -> None:
    publish(store, home)
    ran = wireroom("search", "bridge", "--significant", "person,place")
    assert (ran.code, ran.err) == (0, f"wireroom: of person, place {SAID}")


def test_what_stands_out_is_not_said_to_be_missing(wireroom: Wireroom, home: Path) -> None:
    ada = Entity(label=Label.PERSON, name="Ada Okafor", key="ada okafor", count=1, first_offset=0)
    write(
        home,
        *(story(number, title="Harvest", entities=(ada,)) for number in range(3)),
        *(story(number) for number in range(3, 9)),
    )
    ran = wireroom("search", "harvest", "--significant", "person,place")
    assert "Ada Okafor" in ran.out
    assert ran.err == f"wireroom: of place {SAID}"
