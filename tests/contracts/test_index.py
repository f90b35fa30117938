"""What every index keeps: the promises of `Index` and `Searcher`, and golden queries over many languages."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from pipeline.errors import QueryError, WireroomError
from pipeline.indexing.elasticsearch import ElasticsearchGenerations
from pipeline.indexing.elasticsearch_client import connect
from pipeline.indexing.elasticsearch_templates import install_templates
from pipeline.indexing.index import Generations, Index, PutOutcome, Searcher, Tombstone
from pipeline.indexing.tantivy import TantivyGenerations
from pipeline.model import Document, Entity, Label, Published, Sighting, Stamps, TextSource
from pipeline.search.elasticsearch import open_searcher as open_elasticsearch_searcher
from pipeline.search.query import Clock, Ids
from pipeline.search.request import Facet, Results, Sort, read_request
from pipeline.search.tantivy import open_searcher

PERSON, ORGANIZATION, PLACE = Label.PERSON, Label.ORGANIZATION, Label.PLACE


def at(written: str) -> float:
    return datetime.fromisoformat(written).replace(tzinfo=UTC).timestamp()


NOW = at("2026-03-10T12:00:00")
SAME = 1_200  # articles of one second: more than a back-end reads at a time


def article(
    id: str,
    title: str,
    text: str,
    *,
    language: str | None = "en",
    outlet: tuple[str, str] = ("example.com", "The Example"),
    seen: str = "2026-03-01T08:00:00",
    published: str | None = "2026-03-01T07:30:00",
    entities: Sequence[tuple[Label, str]] = (),
    tags: Sequence[str] = (),
    authors: Sequence[str] = (),
    feed: str = "https://example.com/rss",
    text_source: TextSource = TextSource.PAGE,
    partial: str | None = None,
    version: int = 1,
    url: str | None = None,
) -> Document:
    return Document(
        id=id,
        version=version,
        revision=1,
        url=url or f"https://www.{outlet[0]}/news/{id}?lang={language}",
        title=title,
        text=text,
        authors=tuple(authors),
        tags=tuple(tags),
        language=language,
        outlet=outlet[0],
        outlet_name=outlet[1],
        published=published and Published(at=at(published), source="feed", precision="second"),
        first_seen_at=at(seen),
        text_source=text_source,
        partial=partial,
        entities=tuple(
            Entity(label=label, name=name, key=name.casefold(), count=9 - place, first_offset=place)
            for place, (label, name) in enumerate(entities)
        ),
        fingerprint=(),
        sightings=(Sighting(feed=feed, seen_at=at(seen)),),
        stamps=Stamps(extractor="test", language="test", model=None, rules=1),
    )


COURIER = ("courier.example", "The Daily Courier")
MATIN = ("lematin.example", "Le Matin")
BLATT = ("blatt.example", "Münchner Blatt")

ARTICLES = (
    article(
        "vote",
        "Election night in Ohio",
        "Officials counted the ballots until dawn. The election was the closest in a century, said Jane Roe.",
        entities=((PERSON, "Jane Roe"), (PLACE, "Ohio")),
        tags=("Politics", "US News"),
        authors=("Mary Major", "Richard Miles"),
        seen="2026-03-01T23:30:00",
        published="2026-03-01T22:45:00",
    ),
    article(
        "polls",
        "Pollsters rethink their methods",
        "After two elections that surprised everyone, pollsters promise better samples.",
        outlet=COURIER,
        tags=("politics",),
        seen="2026-03-02T09:00:00",
        published=None,
    ),
    article(
        "climate",
        "Sea levels and climate change",
        "Climate change is lifting the sea, scientists of the World Bank said in Paris. The change is fast.",
        outlet=COURIER,
        entities=((ORGANIZATION, "World Bank"), (PLACE, "Paris")),
        seen="2026-03-02T10:00:00",
        published="2026-03-02T09:00:00",
        feed="https://courier.example/feeds/science.xml",
    ),
    article(
        "office",
        "A change of climate in the office",
        "The mood changed when the climate of the meeting did; the result was a change, too.",
        seen="2026-03-03T10:00:00",
        published="2026-03-03T10:00:00",
    ),
    article(
        "merkel",
        "Angela Merkel writes her memoirs",
        "The former chancellor Angela Merkel told of her years in Berlin.",
        entities=((PERSON, "Angela Merkel"), (PLACE, "Berlin")),
        seen="2026-03-03T11:00:00",
        published="2026-03-03T10:30:00",
    ),
    article(
        "max",
        "Max Merkel, coach",
        "The football coach Max Merkel led Munich to the title.",
        entities=((PERSON, "Max Merkel"), (ORGANIZATION, "FC Munich")),
        seen="2026-03-03T12:00:00",
        published="2026-03-03T11:30:00",
    ),
    article(
        "hilton",
        "Hotel heiress opens a club",
        "Paris Hilton opened a club on Ibiza.",
        entities=((PERSON, "Paris Hilton"), (PLACE, "Ibiza")),
        tags=("People",),
        seen="2026-03-03T13:00:00",
        published="2026-03-03T12:30:00",
    ),
    article(
        "covid",
        "Covid-19 returns with winter",
        "Hospitals of the U.S. prepare for covid-19, whose tests now cost $1.50.",
        outlet=COURIER,
        seen="2026-03-04T08:00:00",
        published="2026-03-04T07:00:00",
    ),
    article(
        "wall",
        "Paywalled story",
        "Only the summary of this story is known.",
        text_source=TextSource.FEED_SUMMARY,
        partial="blocked",
        seen="2026-03-04T09:00:00",
        published="2026-03-04T08:00:00",
    ),
    article(
        "moon",
        "Nothing but a headline",
        "Nothing but a headline",
        text_source=TextSource.TITLE,
        partial="robots",
        seen="2026-03-04T10:00:00",
        published=None,
    ),
    article(
        "hebdo",
        "L’élection présidentielle approche",
        "Les électeurs français choisissent leur président. L'été sera chaud, dit Emmanuel Macron à Paris.",
        language="fr",
        outlet=MATIN,
        entities=((PERSON, "Emmanuel Macron"), (PLACE, "Paris")),
        authors=("Zoé Lefèvre",),
        tags=("Élections",),
        seen="2026-03-05T08:00:00",
        published="2026-03-05T07:00:00",
    ),
    article(
        "grève",
        "Grève des cheminots",
        "Les trains sont restés à quai aujourd'hui ; le cœur de la grève est à Lyon.",
        language="fr",
        outlet=MATIN,
        entities=((PLACE, "Lyon"),),
        seen="2026-03-05T23:30:00",
        published="2026-03-05T23:15:00",
    ),
    article(
        "wahl",
        "Wahlen in München",
        "Die Häuser der Stadt sind geschmückt. Müller und Frau Öztürk gewinnen die Wahl, sagt Angela Merkel.",
        language="de",
        outlet=BLATT,
        entities=((PERSON, "Angela Merkel"), (PLACE, "München")),
        seen="2026-03-06T08:00:00",
        published="2026-03-06T07:00:00",
    ),
    article(
        "straße",
        "Baustelle auf der Hauptstraße",
        "Das Haus an der großen Straße wird für zwei Wochen gesperrt.",
        language="de",
        outlet=BLATT,
        seen="2026-03-06T09:00:00",
        published="2026-03-06T08:00:00",
    ),
    article(
        "tokyo",
        "東京オリンピックの会場",
        "東京都は新しい競技場を公開した。岸田首相は大阪を訪れた。",
        language="ja",
        outlet=("asahi.example", "朝日ニュース"),
        entities=(),
        seen="2026-03-07T00:30:00",
        published="2026-03-07T00:00:00",
    ),
    article(
        "kyoto",
        "京都の東にある寺",
        "京都の寺は春に桜で有名です。",
        language="ja",
        outlet=("asahi.example", "朝日ニュース"),
        seen="2026-03-07T01:00:00",
        published="2026-03-07T00:30:00",
    ),
    article(
        "moskva",
        "Президент подписал закон",
        "Президент России подписал новые законы о выборах в Москве.",
        language="ru",
        outlet=("novosti.example", "Новости"),
        entities=((PLACE, "Москва"),),
        seen="2026-03-07T08:00:00",
        published="2026-03-07T07:00:00",
    ),
    article(
        "kahira",
        "مؤتمر المناخ في القاهرة",
        "اجتمع الوزراء في القاهرة لبحث تغير المناخ والطاقة.",
        language="ar",
        outlet=("akhbar.example", "أخبار"),
        seen="2026-03-07T09:00:00",
        published="2026-03-07T08:00:00",
    ),
    article(
        "seoul",
        "서울에서 선거가 열렸다",
        "대통령은 서울에서 연설했다.",
        language="ko",
        outlet=("seoul.example", "서울신문"),
        seen="2026-03-07T10:00:00",
        published="2026-03-07T09:00:00",
    ),
    article(
        "istanbul",
        "İstanbul’da yeni köprü",
        "İSTANBUL Boğazı'nda yeni bir köprü açıldı.",
        language="tr",
        outlet=("gazete.example", "Gazete"),
        seen="2026-03-07T11:00:00",
        published="2026-03-07T10:00:00",
    ),
    article(
        "unknown",
        "Qorraxda Muqdisho",
        "Nin reer Muqdisho ah ayaa qoray warbixin.",
        language=None,
        outlet=("warka.example", "Warka"),
        seen="2026-03-07T12:00:00",
        published="2026-03-07T11:00:00",
    ),
    article(
        "markup",
        "What <b>tags</b> do",
        "The <script>alert(1)</script> element & the <b>bold</b> one are explained.",
        outlet=COURIER,
        seen="2026-03-08T08:00:00",
        published="2026-03-08T07:00:00",
    ),
    *(
        article(
            f"wire{number}",
            "Harvest fails in the south",
            "The harvest failed after a long drought, the ministry said.",
            outlet=(f"local{number}.example", f"Local {number}"),
            seen="2026-03-09T06:00:00",
            published=None if number == 3 else "2026-03-09T05:00:00",
        )
        for number in range(1, 6)
    ),
)


@dataclass(frozen=True)
class Backend:
    """One index under test: its generations, the writing side of the exposed one, the searching side."""

    name: str  # of the exposed generation
    generations: Generations
    index: Index
    searcher: Searcher
    show: Callable[[], None] = lambda: None  # let searches see this index, where several share a server
    tells_words: bool = False  # significant words

    def put(self, *documents: Document) -> list[PutOutcome]:
        results = self.index.put(documents)
        self.index.commit()
        assert [result.id for result in results] == [document.id for document in documents]
        return [result.outcome for result in results]

    @property
    def next(self) -> str:
        return f"next-{self.name}"

    def held(self, name: str | None = None) -> list[tuple[str, int]]:
        return sorted((each.id, each.version) for each in self.generations.held(name or self.name))

    def search(self, text: str = "", **options: object) -> Results:
        return self.searcher.search(read_request(text, now=NOW, **options))

    def ids(self, text: str = "", **options: object) -> set[str]:
        return {hit.id for hit in self.search(text, size=100, **options).hits}

    def facet(self, name: str, text: str = "", **options: object) -> Facet:
        (facet,) = self.search(text, facets=[name], **options).facets
        return facet


def open_tantivy(folder: Path, stack: ExitStack) -> Backend:
    generations = TantivyGenerations(folder)
    index = generations.open("contract")
    stack.callback(index.close)
    generations.expose("contract")
    return Backend("contract", generations, index, open_searcher(folder))


def open_elasticsearch(url: str, stack: ExitStack) -> Backend:
    """Make a generation of its own and let searches see it."""
    connection = connect(url)
    stack.callback(connection.client.close)
    install_templates(connection)
    generations = ElasticsearchGenerations(connection, lock=nullcontext)
    name = f"g{uuid4().hex}"
    index = generations.open(name)
    generations.expose(name)
    stack.callback(connection.client.indices.delete, index=f"wireroom-articles-{name}-*")
    return Backend(
        name,
        generations,
        index,
        open_elasticsearch_searcher(connection),
        show=lambda: generations.expose(name),
        tells_words=True,
    )


BACKENDS = ("tantivy", "elasticsearch8", "elasticsearch9")
Opener = Callable[[str, ExitStack], Backend]


@pytest.fixture(scope="module")
def open_backend(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Opener:
    """Open an index of a back-end by its name; it goes away with the stack."""

    def open_one(name: str, stack: ExitStack) -> Backend:
        if name == "tantivy":
            return open_tantivy(tmp_path_factory.mktemp("index"), stack)
        return open_elasticsearch(request.getfixturevalue(f"{name}_server").url, stack)

    return open_one


@pytest.fixture(params=BACKENDS)
def empty(request: pytest.FixtureRequest, open_backend: Opener) -> Iterator[Backend]:
    with ExitStack() as stack:
        yield open_backend(request.param, stack)


@pytest.fixture(scope="module", params=BACKENDS)
def kept_news(request: pytest.FixtureRequest, open_backend: Opener) -> Iterator[Backend]:
    """An index of all articles, written in two batches and never changed."""
    with ExitStack() as stack:
        backend = open_backend(request.param, stack)
        for batch in (ARTICLES[::2], ARTICLES[1::2]):
            assert set(backend.put(*batch)) == {PutOutcome.STORED}
        yield backend


@pytest.fixture
def news(kept_news: Backend) -> Backend:
    """The index of all articles, searched again if another one was in between."""
    kept_news.show()
    return kept_news


WIRES = {"wire1", "wire2", "wire3", "wire4", "wire5"}
ALL = {document.id for document in ARTICLES}

GOLDEN = [
    # words: all of them, in title or text, inflected as the document's language does
    ("election", {"vote", "polls", "hebdo"}),
    ("elections", {"vote", "polls", "hebdo"}),
    ("ELECTION ohio", {"vote"}),
    ("election ballots counting", {"vote"}),
    ("title:election", {"vote", "hebdo"}),
    ("text:ohio", set()),
    ("title:ohio text:ballots", {"vote"}),
    ("title:(pollsters methods)", {"polls"}),
    ("nowhere", set()),
    # accents and umlauts, typed or not
    ("électeur", {"hebdo"}),
    ("electeurs francais", {"hebdo"}),
    ("élection", {"hebdo", "vote"}),
    ("l'élection", {"hebdo", "vote"}),
    ("coeur", {"grève"}),
    ("aujourd'hui", {"grève"}),
    ("d’été", {"hebdo"}),
    ("muller", {"wahl"}),
    ("Müller", {"wahl"}),
    ("strasse", {"straße"}),
    ("haus", {"wahl", "straße"}),
    ("istanbul", {"istanbul"}),
    ("İstanbul", {"istanbul"}),
    # other scripts
    ("東京", {"tokyo"}),
    ("京都", {"tokyo", "kyoto"}),  # 東京都 holds the characters 京都, too
    ("競技場", {"tokyo"}),
    ("закон", {"moskva"}),
    ("президента", {"moskva"}),
    ("المناخ", {"kahira"}),
    ("서울", {"seoul"}),
    ("muqdisho", {"unknown"}),
    # phrases: in a row and unstemmed
    ('"climate change"', {"climate"}),
    ('"change climate"', set()),
    ('"change climate"~1', {"office"}),
    ('"climate changes"', set()),
    ('title:"climate change"', {"climate"}),
    ('text:"sea levels"', set()),
    ('"presidentielle"', {"hebdo"}),
    ('"elections"', {"polls"}),
    ("“climate change”", {"climate"}),
    ("covid-19", {"covid"}),
    ("U.S.", {"covid"}),
    ("u", {"covid"}),
    # beginnings
    ("elect*", {"vote", "polls", "hebdo"}),
    ("pollst*", {"polls"}),
    ("title:poll*", {"polls"}),
    ("covid-1*", {"covid"}),
    # operators: AND binds tighter than OR, OR tighter than a space
    ("ohio OR muller", {"vote", "wahl"}),
    ("ohio AND muller", set()),
    ("climate NOT office", {"climate"}),
    ("climate -office", {"climate"}),
    ("climate -title:office", {"climate"}),
    ("+climate -office", {"climate"}),
    ("climate (paris OR office)", {"climate", "office"}),
    ("climate paris OR office", {"climate", "office"}),
    ("paris OR sea AND climate", {"climate", "hilton", "hebdo"}),
    ("", ALL),
    ("*", ALL),
    ("-harvest", ALL - WIRES),
    ("NOT (harvest OR language:en)", ALL - WIRES - {each.id for each in ARTICLES if each.language == "en"}),
    # names: a bare word finds any name that has it, quotes mean the whole name
    ("person:merkel", {"merkel", "max", "wahl"}),
    ("person:MERKEL", {"merkel", "max", "wahl"}),
    ('person:"Angela Merkel"', {"merkel", "wahl"}),
    ('person:"angela merkel"', {"merkel", "wahl"}),
    ('person:"Merkel"', set()),
    ("person:merk*", {"merkel", "max", "wahl"}),
    ("person:(hilton OR macron)", {"hilton", "hebdo"}),
    ("place:paris", {"climate", "hebdo"}),
    ("entity:paris", {"climate", "hebdo", "hilton"}),
    ('entity:"paris"', {"climate", "hebdo"}),
    ("place:munchen", {"wahl"}),
    ("place:москва", {"moskva"}),
    ("organization:bank", {"climate"}),
    ("organization:*", {"climate", "max"}),
    ("person:merkel -place:berlin", {"max", "wahl"}),
    ("author:major", {"vote"}),
    ('author:"mary major"', {"vote"}),
    ('author:"major richard"', set()),
    ("author:lefevre", {"hebdo"}),
    ("author:*", {"vote", "hebdo"}),
    ("tag:politics", {"vote", "polls"}),
    ("tag:news", {"vote"}),
    ('tag:"us news"', {"vote"}),
    ('tag:"news"', set()),
    ("tag:elections", {"hebdo"}),
    ("outlet:courier", {"polls", "climate", "covid", "markup"}),
    ("outlet:courier.example", {"polls", "climate", "covid", "markup"}),
    ('outlet:"munchner blatt"', {"wahl", "straße"}),
    # values and addresses
    ("language:de", {"wahl", "straße"}),
    ("language:DE", {"wahl", "straße"}),
    ("-language:*", {"unknown"}),
    ("partial:blocked", {"wall"}),
    ("partial:*", {"wall", "moon"}),
    ("text_source:feed-summary", {"wall"}),
    ("story:none", set()),
    ("feed:science", {"climate"}),
    ("feed:https://courier.example/feeds/science.xml", {"climate"}),
    ("url:courier.example/news/covid", {"covid"}),
    ("https://www.courier.example/news/covid", {"covid"}),
    ("url:https://www.example.com/news/vote?lang=en", {"vote"}),
    # dates: a bracket takes the whole day in, a brace leaves it out
    ("published:2026-03-04", {"covid", "wall"}),
    ("published:[2026-03-04 TO 2026-03-05]", {"covid", "wall", "hebdo", "grève"}),
    ("published:[2026-03-04 TO 2026-03-05}", {"covid", "wall"}),
    ("published:{2026-03-04 TO 2026-03-05]", {"hebdo", "grève"}),
    ("published:[* TO 2026-03-02T09:00:00Z}", {"vote"}),
    ("published:[* TO 2026-03-02T09:00:00Z]", {"vote", "climate"}),
    ("published:<2026-03-02", {"vote"}),
    ("first_seen:>=2026-03-09", WIRES),
    ("first_seen:>2026-03-08", WIRES),
    ("first_seen:[2d TO *]", WIRES),
    ("first_seen:36h", WIRES),
    ("-published:*", {"polls", "moon", "wire3"}),
    ("language:fr published:2026-03-05", {"hebdo", "grève"}),
]


@pytest.mark.parametrize(("query", "ids"), GOLDEN, ids=[query or "nothing" for query, _ in GOLDEN])
def test_a_query_finds_what_it_says(news: Backend, query: str, ids: set[str]) -> None:
    results = news.search(query, size=100)
    assert {hit.id for hit in results.hits} == ids
    assert results.total == len(ids)


def test_a_hit_is_shown_from_the_index_alone(news: Backend) -> None:
    (hit,) = news.search("ohio").hits
    assert (hit.id, hit.version, hit.title) == ("vote", 1, "Election night in Ohio")
    assert hit.url == "https://www.example.com/news/vote?lang=en"
    assert (hit.outlet, hit.outlet_name, hit.language) == ("example.com", "The Example", "en")
    assert hit.published == Published(at=at("2026-03-01T22:45:00"), source="feed", precision="second")
    assert hit.first_seen_at == at("2026-03-01T23:30:00")
    assert (hit.text_source, hit.partial) == (TextSource.PAGE, None)
    assert hit.entities == ((PERSON, ("Jane Roe",)), (ORGANIZATION, ()), (PLACE, ("Ohio",)))
    assert (hit.authors, hit.tags) == (("Mary Major", "Richard Miles"), ("Politics", "US News"))
    assert hit.feeds == ("https://example.com/rss",)
    assert hit.score is not None
    assert hit.score > 0


def test_an_article_is_given_by_its_id(news: Backend) -> None:
    hit = news.searcher.get("tokyo")
    assert hit is not None
    assert (hit.title, hit.score, hit.highlights) == ("東京オリンピックの会場", None, ())
    assert news.searcher.get("nothing") is None


def test_the_total_is_exact_and_apart_from_the_page(news: Backend) -> None:
    results = news.search("", size=3)
    assert (results.total, len(results.hits)) == (len(ARTICLES), 3)
    assert news.search("", size=0).total == len(ARTICLES)


# Filters


def test_filters_narrow_and_several_values_mean_any_of_them(news: Backend) -> None:
    assert news.ids("", language=["fr", "DE"]) == {"hebdo", "grève", "wahl", "straße"}
    assert news.ids("", language=["fr"], entity=["paris"]) == {"hebdo"}
    assert news.ids("", outlet=["Le Matin", "blatt.example"]) == {"hebdo", "grève", "wahl", "straße"}
    assert news.ids("", tag=["POLITICS"]) == {"vote", "polls"}
    assert news.ids("", entity=["Angela Merkel"]) == {"merkel", "wahl"}
    assert news.ids("", entity=["merkel"]) == set()


def test_since_is_taken_in_and_until_left_out(news: Backend) -> None:
    assert news.ids("", since="2026-03-05T08:00:00Z", until="2026-03-05T23:30:00Z") == {"hebdo"}
    assert news.ids("", since="2026-03-05", until="2026-03-06") == {"hebdo", "grève"}
    assert news.ids("", since="2026-03-09") == WIRES


def test_dates_mean_the_first_sight_unless_publication_is_asked_for(news: Backend) -> None:
    assert news.ids("", since="2026-03-09", by=Clock.PUBLISHED) == WIRES - {"wire3"}


def test_a_date_without_an_offset_is_of_the_asked_zone(news: Backend) -> None:
    # 23:30 UTC on the 5th is half past midnight on the 6th in Berlin.
    assert news.ids("", since="2026-03-06", until="2026-03-07", tz="Europe/Berlin") == {
        "grève",
        "wahl",
        "straße",
    }
    assert news.ids("published:2026-03-06", tz="Europe/Berlin") == {"grève", "wahl", "straße"}


def test_filters_leave_the_scores_alone(news: Backend) -> None:
    scores = {hit.id: hit.score for hit in news.search("election").hits}
    filtered = news.search("election", language=["en"], since="2026-03-01").hits
    assert {hit.id: hit.score for hit in filtered} == {id: scores[id] for id in ("vote", "polls")}


# Order and pages


def test_a_word_of_the_title_ranks_first(news: Backend) -> None:
    assert [hit.id for hit in news.search("election language:en").hits] == ["vote", "polls"]


def test_without_words_the_newest_stand_first_and_have_no_score(news: Backend) -> None:
    hits = news.search("language:de").hits
    assert [(hit.id, hit.score) for hit in hits] == [("straße", None), ("wahl", None)]


@pytest.mark.parametrize(
    ("sort", "by", "ids"),
    [
        (Sort.NEWEST, Clock.FIRST_SEEN, ["moon", "wall", "covid", "climate", "polls"]),
        (Sort.OLDEST, Clock.FIRST_SEEN, ["polls", "climate", "covid", "wall", "moon"]),
        (Sort.NEWEST, Clock.PUBLISHED, ["wall", "covid", "climate", "moon", "polls"]),
        (Sort.OLDEST, Clock.PUBLISHED, ["climate", "covid", "wall", "polls", "moon"]),
    ],
)
def test_hits_are_sorted_by_date_and_those_without_come_last(
    news: Backend, sort: Sort, by: Clock, ids: list[str]
) -> None:
    query = "partial:* OR (outlet:courier first_seen:[* TO 2026-03-05])"
    assert [hit.id for hit in news.search(query, sort=sort, by=by).hits] == ids


def walk(backend: Backend, query: str, size: int, **options: object) -> list[str]:
    """Follow the cursors to the end; gives the ids in order."""
    ids: list[str] = []
    after = None
    while True:
        results = backend.search(query, size=size, after=after, **options)
        ids += [hit.id for hit in results.hits]
        after = results.next
        if after is None:
            return ids


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("sort", list(Sort))
@pytest.mark.parametrize("by", list(Clock))
@pytest.mark.parametrize("query", ["", "harvest", "election OR harvest OR climate"])
def test_pages_repeat_and_miss_nothing_though_dates_and_scores_are_equal(
    news: Backend, query: str, sort: Sort, by: Clock, size: int
) -> None:
    walked = walk(news, query, size, sort=sort, by=by)
    assert walked == [hit.id for hit in news.search(query, size=1000, sort=sort, by=by).hits]
    assert len(set(walked)) == len(walked) == news.search(query).total


def test_equal_hits_keep_their_order_when_the_index_is_written_otherwise(empty: Backend) -> None:
    wires = [document for document in ARTICLES if document.id in WIRES]
    empty.put(*wires)
    before = walk(empty, "harvest", 2)
    for wire in wires[::-1]:
        empty.put(replace(wire, version=2))
    assert walk(empty, "harvest", 2) == before


def test_pages_by_date_repeat_and_miss_nothing_while_articles_come_in(empty: Backend) -> None:
    empty.put(*ARTICLES)
    first = empty.search("", size=5, sort=Sort.NEWEST)
    empty.put(article("late", "Late", "A late article.", seen="2026-03-10T00:00:00"))
    second = empty.search("", size=100, sort=Sort.NEWEST, after=first.next)
    assert len(first.hits) + len(second.hits) == len(ARTICLES)
    assert not {hit.id for hit in first.hits} & {hit.id for hit in second.hits}


def test_a_cursor_keeps_the_moment_of_the_first_page(news: Backend) -> None:
    first = news.searcher.search(read_request("first_seen:36h", now=NOW, size=3))
    later = read_request("first_seen:36h", now=NOW + 86_400, size=3, after=first.next)
    assert len(news.searcher.search(later).hits) == 2


def test_a_cursor_of_another_search_is_refused(news: Backend) -> None:
    cursor = news.search("harvest", size=2).next
    for query, options in (
        ("drought", {}),
        ("harvest", {"sort": Sort.OLDEST}),
        ("harvest", {"language": ["en"]}),
    ):
        with pytest.raises(QueryError, match="another search"):
            news.search(query, size=2, after=cursor, **options)


def test_a_damaged_cursor_is_refused(news: Backend) -> None:
    cursor = news.search("harvest", size=2).next
    assert cursor is not None
    for broken in ("", "x", cursor[:-2], cursor + "AA", "é", "A" * 5000):
        with pytest.raises(QueryError, match="cursor"):
            news.search("harvest", size=2, after=broken)


# Snapshots


@pytest.mark.parametrize("sort", [Sort.NEWEST, Sort.OLDEST])
@pytest.mark.parametrize("by", list(Clock))
@pytest.mark.parametrize("query", ["", "harvest", "election OR harvest OR climate"])
def test_a_scan_gives_all_hits_in_the_order_of_the_pages(
    news: Backend, query: str, sort: Sort, by: Clock
) -> None:
    request = read_request(query, now=NOW, sort=sort, by=by, size=2)
    with news.searcher.snapshot() as snapshot:
        scanned = list(snapshot.scan(request))
    assert [hit.id for hit in scanned] == walk(news, query, 7, sort=sort, by=by)
    assert scanned == [news.searcher.get(hit.id) for hit in scanned]


def test_a_scan_of_many_pages_of_equal_times_misses_and_repeats_nothing(empty: Backend) -> None:
    same = [
        article(f"{number:05}", "Harvest", "The harvest.", seen=f"2026-03-0{1 + number // SAME}T08:00:00")
        for number in range(3 * SAME)
    ]
    empty.put(*same)
    with empty.searcher.snapshot() as snapshot:
        ids = [hit.id for hit in snapshot.scan(read_request("harvest", now=NOW))]
    assert (len(ids), set(ids)) == (len(same), {each.id for each in same})


def test_a_snapshot_stays_as_it_was_while_articles_come_change_and_go(empty: Backend) -> None:
    empty.put(*ARTICLES)
    request = read_request("", now=NOW)
    with empty.searcher.snapshot() as snapshot:
        hits = snapshot.scan(request)
        read = [next(hits).version]
        empty.put(article("late", "Late", "A late article."), replace(ARTICLES[0], version=2))
        empty.index.remove([Tombstone(ARTICLES[1].id, 2, ARTICLES[1].first_seen_at)])
        empty.index.commit()
        read += [hit.version for hit in hits]
        assert read == [1] * len(ARTICLES)
        assert {hit.id for hit in snapshot.scan(request)} == ALL
    assert empty.ids() == ALL - {ARTICLES[1].id} | {"late"}


def test_a_scan_finds_articles_by_their_ids_and_no_removed_one(empty: Backend) -> None:
    empty.put(*ARTICLES)
    empty.index.remove([Tombstone("vote", 2, ARTICLES[0].first_seen_at)])
    empty.index.commit()
    request = read_request("", now=NOW)
    with empty.searcher.snapshot() as snapshot:
        asked = replace(request, filters=(Ids(("vote", "tokyo", "nothing", "wahl")),))
        assert {hit.id for hit in snapshot.scan(asked)} == {"tokyo", "wahl"}
        assert list(snapshot.scan(replace(request, query=Ids(())))) == []


def test_a_snapshot_names_the_generation_that_it_reads(news: Backend) -> None:
    with news.searcher.snapshot() as snapshot:
        assert snapshot.edition.generation == news.name
        assert snapshot.edition.mapping > 0


# Facets


def counts(facet: Facet) -> dict[str, int]:
    return {bucket.value: bucket.count for bucket in facet.buckets}


def test_people_are_counted_by_article_and_shown_as_they_are_written(news: Backend) -> None:
    facet = news.facet("person")
    assert (facet.buckets[0].value, facet.buckets[0].key, facet.buckets[0].count) == (
        "Angela Merkel",
        "angela merkel",
        2,
    )
    assert counts(facet) == {
        "Angela Merkel": 2,
        "Emmanuel Macron": 1,
        "Jane Roe": 1,
        "Max Merkel": 1,
        "Paris Hilton": 1,
    }
    assert (facet.other, facet.error_bound) == (0, 0)
    assert facet.missing == len(ARTICLES) - 6


def test_a_facet_counts_all_hits_and_not_the_page(news: Backend) -> None:
    assert counts(news.facet("place", "paris", size=1)) == {"Paris": 2, "Ibiza": 1}


def test_a_facet_shows_the_most_frequent_values_and_counts_the_others(news: Backend) -> None:
    facet = news.facet("outlet")
    assert (facet.buckets[0].value, facet.buckets[0].key) == ("The Example", "example.com")
    assert len(facet.buckets) == 10
    assert sum(counts(facet).values()) + facet.other == len(ARTICLES)
    assert facet.missing == 0


def test_languages_are_counted_and_those_without_are_missing(news: Backend) -> None:
    facet = news.facet("language", "-language:en")
    assert counts(facet) == {"fr": 2, "de": 2, "ja": 2, "ru": 1, "ar": 1, "ko": 1, "tr": 1}
    assert facet.missing == 1


def test_tags_are_counted_without_regard_to_case(news: Backend) -> None:
    facet = news.facet("tag")
    assert {(bucket.key, bucket.count) for bucket in facet.buckets} == {
        ("politics", 2),
        ("us news", 1),
        ("people", 1),
        ("elections", 1),
    }


def test_days_are_counted_in_order_by_first_sight_or_publication(news: Backend) -> None:
    assert counts(news.facet("day", "language:fr OR language:de")) == {"2026-03-05": 2, "2026-03-06": 2}
    published = news.facet("day", "harvest", by=Clock.PUBLISHED)
    assert (counts(published), published.missing) == ({"2026-03-09": 4}, 1)


def test_days_begin_at_midnight_of_the_asked_zone(news: Backend) -> None:
    facet = news.facet("day", "language:fr OR language:de", tz="Europe/Berlin")
    assert [(bucket.value, bucket.key, bucket.count) for bucket in facet.buckets] == [
        ("2026-03-05", "2026-03-04T23:00:00Z", 1),
        ("2026-03-06", "2026-03-05T23:00:00Z", 3),
    ]


def test_a_day_of_summer_time_has_23_hours(empty: Backend) -> None:
    # Clocks went forward in Berlin on 2026-03-29 at 01:00 UTC: that day ended at 22:00 UTC.
    seen = ["2026-03-28T22:59:59", "2026-03-28T23:00:00", "2026-03-29T21:59:59", "2026-03-29T22:00:00"]
    empty.put(*(article(f"a{number}", "T", "x", seen=each) for number, each in enumerate(seen)))
    assert counts(empty.facet("day", tz="Europe/Berlin")) == {
        "2026-03-28": 1,
        "2026-03-29": 2,
        "2026-03-30": 1,
    }


def test_a_name_is_counted_by_its_key_and_shown_in_its_commonest_form(empty: Backend) -> None:
    written = ["UN", "United Nations", "UN", "U.N."]
    for number, name in enumerate(written):
        entity = Entity(label=ORGANIZATION, name=name, key="united nations", count=1, first_offset=0)
        empty.put(replace(article(f"a{number}", "T", "x"), entities=(entity,)))
    (bucket,) = empty.facet("organization").buckets
    assert (bucket.value, bucket.key, bucket.count) == ("UN", "united nations", 4)
    everywhere = {"a0", "a1", "a2", "a3"}
    assert empty.ids('organization:"United Nations"') == empty.ids("entity:nations") == everywhere
    assert empty.ids("", entity=["united nations"]) == everywhere
    assert empty.ids("organization:u") == {"a3"}


def test_a_tag_is_shown_in_its_commonest_form(empty: Backend) -> None:
    for number, tag in enumerate(["politics", "Politics", "POLITICS", "Politics"]):
        empty.put(article(f"a{number}", "T", "x", tags=(tag, "Other")))
    assert counts(empty.facet("tag")) == {"Politics": 4, "Other": 4}


def test_facets_of_nothing_are_empty(news: Backend) -> None:
    for name in ("person", "outlet", "language", "day"):
        facet = news.facet(name, "nowhere")
        assert (facet.buckets, facet.other, facet.missing) == ((), 0, 0)


# Recency, and what stands out


def test_on_request_a_newer_article_comes_before_an_older_one_that_fits_little_better(empty: Backend) -> None:
    empty.put(
        article("old", "News", "Storm over the harbour.", seen="2026-01-01T00:00:00"),
        article("new", "News", "Storm over the harbour, and much else besides.", seen="2026-03-10T00:00:00"),
        article("title", "Storm, storm", "Storm and storm.", seen="2026-01-01T00:00:00"),
    )
    assert [hit.id for hit in empty.search("storm").hits] == ["title", "old", "new"]
    assert [hit.id for hit in empty.search("storm", recent=True).hits] == ["title", "new", "old"]
    assert walk(empty, "storm", 1, recent=True) == ["title", "new", "old"]


def telling(backend: Backend, query: str, *names: str) -> dict[str, list[tuple[str, str, int, int]]]:
    """List what stands out in a search: value, key, count and background by name."""
    return {
        each.name.value: [(one.value, one.key, one.count, one.background) for one in each.standouts]
        for each in backend.search(query, significant=names).significant
    }


WIRE_COPY = "Read more about this in our newsletter, every morning at seven."
HARVESTS = tuple(
    article(
        f"h{number}",
        "In the fields",
        f"{text} {WIRE_COPY}",
        entities=((PERSON, "Ada Okafor"), (PLACE, "Lagos"), *(((PERSON, "Jane Roe"),) if number < 2 else ())),
    )
    for number, text in enumerate(
        (
            "The harvest is lost, says one.",
            "A river drowned the whole harvest.",
            "Nobody knows what a harvest costs now.",
            "Farmers mourn; their harvest rots.",
        )
    )
)
OTHERS = tuple(
    article(f"o{number}", "A match", f"{word} players met in the city.", entities=((PLACE, "Lagos"),))
    for number, word in enumerate(["Young", "Tall", "Tired", "Six", "Angry", "Lucky"])
)


def test_what_stands_out_is_more_frequent_in_the_hits_than_in_all_articles(empty: Backend) -> None:
    empty.put(*HARVESTS, *OTHERS)
    # Lagos is in every article, and Jane Roe in two only, which may be chance.
    assert telling(empty, "harvest", "person", "place") == {
        "person": [("Ada Okafor", "ada okafor", 4, 4)],
        "place": [],
    }
    (people,) = empty.search("harvest", significant=["person"]).significant
    # JLH: four of four hits against four of ten articles.
    assert people.standouts[0].score == pytest.approx((1 - 0.4) * (1 / 0.4))


def test_words_stand_out_where_the_index_can_tell_them_and_wire_copy_does_not(empty: Backend) -> None:
    empty.put(*HARVESTS, *OTHERS)
    if not empty.tells_words:
        with pytest.raises(QueryError, match="cannot tell significant words"):
            empty.search("person:okafor", significant=["words"])
        return
    words = telling(empty, "person:okafor", "words")["words"]
    assert ("harvest", "harvest", 4, 4) in words
    assert not {"newsletter", "players"} & {value for value, *_ in words}


# Highlights


@pytest.mark.parametrize(
    ("query", "id", "highlight"),
    [
        ("ballots", "vote", "«ballots»"),
        ("officials counting", "vote", "«Officials counted» the ballots"),
        ('"climate change"', "climate", "«Climate change» is lifting"),
        ("electeur", "hebdo", "Les «électeurs» français"),
        ("haus", "wahl", "Die «Häuser» der Stadt"),
        ("競技場", "tokyo", "新しい«競技場»を公開した"),
        ("pollst*", "polls", "«pollsters» promise"),
    ],
)
def test_matched_words_are_marked_in_a_passage_of_the_text(
    news: Backend, query: str, id: str, highlight: str
) -> None:
    hits = {hit.id: hit for hit in news.search(query).hits}
    assert any(highlight in fragment for fragment in hits[id].highlights), hits[id].highlights


def test_a_match_in_the_title_alone_marks_the_title(news: Backend) -> None:
    (hit,) = news.search("methods").hits
    assert hit.highlights == ("Pollsters rethink their «methods»",)


def test_a_query_without_words_highlights_nothing(news: Backend) -> None:
    assert all(not hit.highlights for hit in news.search("language:fr").hits)


def test_highlights_are_plain_text_with_the_asked_marks(news: Backend) -> None:
    (hit,) = news.search("element", marks=("[", "]")).hits
    assert hit.highlights == ("The <script>alert(1)</script> [element] & the <b>bold</b> one are explained.",)


# Writing


def test_a_document_that_is_put_again_is_stored_once(empty: Backend) -> None:
    document = article("one", "One", "Once upon a time")
    assert [empty.put(document), empty.put(document)] == [[PutOutcome.STORED]] * 2
    assert (empty.index.count(), empty.held()) == (1, [("one", 1)])


def test_a_newer_version_replaces_the_older_one(empty: Backend) -> None:
    empty.put(article("one", "Old words", "old"))
    assert empty.put(article("one", "New words", "new", version=2)) == [PutOutcome.STORED]
    assert (empty.ids("old"), empty.ids("new"), empty.index.count()) == (set(), {"one"}, 1)


def test_an_older_version_never_replaces_a_newer_one(empty: Backend) -> None:
    empty.put(article("one", "New words", "new", version=2))
    assert empty.put(article("one", "Old words", "old")) == [PutOutcome.SUPERSEDED]
    assert (empty.ids("old"), empty.held()) == (set(), [("one", 2)])


def test_of_two_versions_in_one_batch_the_newer_stays(empty: Backend) -> None:
    versions = [article("one", "Words", f"text{version}", version=version) for version in (1, 3, 2)]
    assert empty.put(*versions) == [PutOutcome.STORED, PutOutcome.STORED, PutOutcome.SUPERSEDED]
    assert (empty.ids("text3"), empty.held()) == ({"one"}, [("one", 3)])


def test_a_removed_document_is_gone_and_an_older_version_does_not_bring_it_back(empty: Backend) -> None:
    empty.put(article("one", "One", "text"), article("two", "Two", "text"))
    empty.index.remove([Tombstone("one", 2, NOW)])
    empty.index.commit()
    assert (empty.ids(), empty.index.count(), empty.held()) == ({"two"}, 1, [("two", 1)])
    assert (empty.ids("-nothing"), empty.searcher.get("one")) == ({"two"}, None)
    assert counts(empty.facet("outlet")) == {"The Example": 1}
    assert empty.put(article("one", "One", "text", version=2)) == [PutOutcome.SUPERSEDED]
    assert empty.ids() == {"two"}
    assert empty.put(article("one", "One", "text", version=3)) == [PutOutcome.STORED]
    assert empty.ids() == {"one", "two"}


def test_a_removal_spares_a_newer_version(empty: Backend) -> None:
    empty.put(article("one", "One", "text", version=5))
    empty.index.remove([Tombstone("one", 4, NOW), Tombstone("never", 1, NOW)])
    empty.index.commit()
    assert empty.held() == [("one", 5)]


def test_put_and_remove_in_one_batch_end_as_they_came(empty: Backend) -> None:
    empty.index.put([article("one", "One", "text", version=1)])
    empty.index.remove([Tombstone("one", 2, NOW)])
    empty.index.put([article("one", "One", "text", version=3)])
    empty.index.commit()
    assert empty.held() == [("one", 3)]


def test_nothing_is_found_before_it_is_committed(empty: Backend) -> None:
    empty.index.put([article("one", "One", "text")])
    assert empty.ids() == set()
    empty.index.commit()
    assert empty.ids() == {"one"}


def test_what_cannot_be_indexed_is_rejected_and_its_neighbours_are_not(empty: Backend) -> None:
    far = article("far", "Far", "text", seen="9000-01-01T00:00:00")
    results = empty.index.put([article("a", "A", "text"), far, article("b", "B", "text")])
    empty.index.commit()
    assert [result.outcome for result in results] == [
        PutOutcome.STORED,
        PutOutcome.REJECTED,
        PutOutcome.STORED,
    ]
    assert results[1].detail
    assert "\n" not in results[1].detail
    assert empty.ids() == {"a", "b"}


def test_what_cannot_be_written_in_utf8_is_taken_out_of_texts(empty: Backend) -> None:
    assert empty.put(article("odd", "Half \ud83d pair", "soft\xadhyphen, nul\0 and cafe\u0301")) == [
        PutOutcome.STORED
    ]
    assert empty.ids("softhyphen café") == {"odd"}
    (hit,) = empty.search("café").hits
    assert hit.highlights == ("softhyphen, nul and «café»",)


def test_a_text_without_any_word_is_kept(empty: Backend) -> None:
    assert empty.put(article("dots", "…", "")) == [PutOutcome.STORED]
    assert empty.ids() == {"dots"}


# Generations: several may be there, one is searched


def test_a_generation_is_read_back_as_it_should_be_kept(news: Backend) -> None:
    held = {each.id: each for each in news.generations.held(news.name)}
    assert {id: each.version for id, each in held.items()} == {each.id: each.version for each in ARTICLES}
    assert {each.id: each.sha256 for each in held.values()} == {
        each.id: news.generations.digest(each) for each in ARTICLES
    }
    assert news.index.count() == len(ARTICLES)


def test_some_ids_are_read_back(news: Backend) -> None:
    some = {
        each.id: each.sha256 for each in news.generations.held(news.name, ids=["vote", "nothing", "wahl"])
    }
    vote, wahl = (each for each in ARTICLES if each.id in ("vote", "wahl"))
    assert some == {"vote": news.generations.digest(vote), "wahl": news.generations.digest(wahl)}


def test_what_is_kept_does_not_depend_on_the_hour(news: Backend) -> None:
    (vote,) = (each for each in ARTICLES if each.id == "vote")
    assert news.generations.digest(vote) == news.generations.digest(replace(vote))


CHANGES = {
    "title": "Another title",
    "text": "Another text",
    "authors": ("Another Author",),
    "tags": ("Another tag",),
    "language": "fr",
    "url": "https://example.com/another",
    "outlet_name": "Another outlet",
    "published": None,
    "partial": "robots",
    "sightings": (Sighting(feed="https://another.example/rss", seen_at=NOW),),
    "entities": (Entity(label=PERSON, name="Another Person", key="another person", count=1, first_offset=0),),
}


@pytest.mark.parametrize("field", CHANGES)
def test_a_single_field_that_differs_is_seen_and_named(empty: Backend, field: str) -> None:
    (vote,) = (each for each in ARTICLES if each.id == "vote")
    empty.put(replace(vote, **{field: CHANGES[field]}))
    (held,) = empty.generations.held(empty.name)
    assert held.sha256 != empty.generations.digest(vote)
    assert empty.generations.differing(empty.name, vote)
    assert not empty.generations.differing(empty.name, replace(vote, **{field: CHANGES[field]}))


def test_every_write_changes_the_mark_even_of_the_same_version(empty: Backend) -> None:
    def mark() -> str:
        (held,) = empty.generations.held(empty.name, hashed=False)
        return held.mark

    empty.put(article("one", "One", "Once"))
    first = mark()
    empty.put(article("two", "Two", "Twice"))
    empty.index.remove([Tombstone("two", 1, NOW)])
    empty.index.commit()
    assert mark() == first
    empty.put(article("one", "One", "Once", version=2))
    assert mark() != first


def test_tombstones_are_not_read_back(empty: Backend) -> None:
    empty.put(article("one", "One", "Once"))
    empty.index.remove([Tombstone("one", 2, NOW)])
    empty.index.commit()
    assert list(empty.generations.held(empty.name)) == []
    assert list(empty.generations.held(empty.name, ids=["one"])) == []


def test_a_generation_is_built_beside_the_exposed_one_and_searched_when_it_is_exposed(empty: Backend) -> None:
    empty.put(article("old", "Old", "words"))
    with closing(empty.generations.open(empty.next)) as building:
        building.put([article("new", "New", "words")])
        building.commit()
        empty.put(article("old2", "Old", "words"))
        assert (empty.ids("words"), empty.generations.exposed()) == ({"old", "old2"}, empty.name)
        assert [empty.held(empty.name), empty.held(empty.next)] == [[("old", 1), ("old2", 1)], [("new", 1)]]
        for _ in range(2):
            empty.generations.expose(empty.next)
            assert (empty.ids("words"), empty.generations.exposed()) == ({"new"}, empty.next)
    empty.generations.expose(empty.name)
    assert empty.ids("words") == {"old", "old2"}


def test_a_generation_is_there_from_its_opening_until_it_is_deleted(empty: Backend) -> None:
    assert not empty.generations.exists(empty.next)
    empty.generations.open(empty.next).close()
    empty.generations.open(empty.next).close()
    assert empty.generations.exists(empty.next)
    assert {empty.name, empty.next} <= set(empty.generations.names())
    for _ in range(2):
        empty.generations.delete(empty.next)
        assert not empty.generations.exists(empty.next)
    assert empty.next not in empty.generations.names()


def test_the_exposed_generation_is_never_deleted(empty: Backend) -> None:
    empty.put(article("one", "One", "Once"))
    with pytest.raises(WireroomError):
        empty.generations.delete(empty.name)
    assert empty.ids("once") == {"one"}


def test_a_generation_that_is_not_there_is_not_exposed(empty: Backend) -> None:
    empty.put(article("one", "One", "Once"))
    with pytest.raises(WireroomError):
        empty.generations.expose("nowhere")
    assert empty.ids("once") == {"one"}


# Odd input


def naughty_strings(corpora: Path) -> Iterator[str]:
    for name, key in (("blns", ""), ("dompurify", "payload"), ("h5sc", "payload")):
        for each in json.loads((corpora / "xss" / f"{name}.json").read_text()):
            yield each[key] if key else each


def refusal(backend: Backend, query: str) -> str | None:
    """Give the line by which a query is refused; None when it is answered."""
    try:
        backend.search(query)
    except QueryError as error:
        return str(error)
    return None


def test_an_odd_string_gives_results_or_one_line_that_says_what_is_wrong(
    news: Backend, corpora: Path
) -> None:
    queries = [
        form.replace("…", text)
        for text in naughty_strings(corpora)
        for form in ("…", '"…"', "person:…", "…*")
    ]
    refusals = [refusal(news, query) for query in queries]
    assert refusals.count(None) > 500
    assert all(line.isprintable() and len(line) < 400 for line in refusals if line is not None)


def test_an_odd_string_is_a_text_like_any_other(empty: Backend, corpora: Path) -> None:
    documents = [
        article(f"n{number:04}", text[:200], text, tags=(text,), authors=(text,), entities=((PERSON, text),))
        for number, text in enumerate(naughty_strings(corpora))
    ]
    assert set(empty.put(*documents)) == {PutOutcome.STORED}
    results = empty.search("script", size=100, facets=["person", "tag"])
    assert results.total > 100
