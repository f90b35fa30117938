"""What differs between two documents, and the sum of it."""

from dataclasses import replace

from pipeline.model import Document, Entity, Label, Published, Sighting, Stamps, TextSource
from pipeline.reprocessing.changes import Changes, Example, compare, tally

STAMPS = Stamps(extractor="x-1", language="lid-1", model=None, rules=1)
BEFORE = Document(
    id="1",
    version=1,
    revision=1,
    url="https://news.example/a",
    title="A title",
    text="A summary.",
    authors=(),
    tags=(),
    language=None,
    outlet="news.example",
    outlet_name="The News",
    published=Published(at=1.0, source="meta", precision="second"),
    first_seen_at=1.0,
    text_source=TextSource.FEED_SUMMARY,
    partial="extraction-empty",
    entities=(Entity(label=Label.PLACE, name="Lagos", key="lagos", count=1, first_offset=0),),
    fingerprint=(),
    sightings=(Sighting(feed="https://news.example/feed", seen_at=1.0),),
    stamps=STAMPS,
)
OKAFOR = Entity(label=Label.PERSON, name="Ada Okafor", key="ada okafor", count=2, first_offset=0)
READ = replace(
    BEFORE,
    version=2,
    text="The whole text.",
    text_source=TextSource.PAGE,
    partial=None,
    language="en",
    entities=(OKAFOR,),
    fingerprint=(1, 2),
    stamps=replace(STAMPS, extractor="x-2"),
)


def test_what_differs_is_named() -> None:
    assert compare(BEFORE, READ) == Changes(
        fields=("text", "language", "text_source", "partial", "entities"),
        text_source=("feed-summary", "page"),
        partial=("extraction-empty", "none"),
        language=("none", "en"),
        gained=("person Ada Okafor",),
        lost=("place Lagos",),
    )


def test_where_only_the_stamps_differ_nothing_is_named() -> None:
    changes = compare(READ, replace(READ, version=3, stamps=replace(STAMPS, extractor="x-3")))
    assert changes.fields == ()
    assert tally([Example("1", "u", changes)]).only_stamps == 1


def test_changes_are_summed_up_with_examples_of_those_that_say_most() -> None:
    much, little = compare(BEFORE, READ), compare(READ, replace(READ, title="Another"))
    said = tally([*(Example(str(each), "u", little) for each in range(9)), Example("much", "u", much)])
    assert said.fields == {
        "title": 9,
        "text": 1,
        "language": 1,
        "text_source": 1,
        "partial": 1,
        "entities": 1,
    }
    assert said.text_source == {"feed-summary → page": 1}
    assert (said.entities_changed, said.entities_gained, said.entities_lost) == (1, 1, 1)
    assert [each.id for each in said.examples] == ["much", "0", "1", "2", "3"]
