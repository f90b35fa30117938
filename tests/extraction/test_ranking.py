"""Which reading of a page wins, where its feed announced what it is about."""

from pipeline.extraction.scoring import MeasuredText
from pipeline.extraction.text import Reading, rank
from pipeline.model import TextSource

TITLE = "Hamburgs Kräne lernen sprechen"
STANDFIRST = "Am Burchardkai verständigen sich Kräne, Lastwagen und Züge ohne Menschen."
BODY = "\n".join(
    [
        "Der Kran heißt 27, und er hat es eilig, sagt eine Stimme aus dem Lautsprecher am Terminal.",
        "Die Firma hat das größte Terminal umgebaut, während es in Betrieb war, und das dauerte acht Jahre.",
        "Ein Container verlässt das Gelände heute nach elf Stunden, früher waren es noch neunzehn Stunden.",
    ]
)
FURNITURE = "Anzeige: Mehr Brötchen als Fisch?\nMehr zum Thema\nDie Kommentarfunktion ist geschlossen."
TEASERS = "\n".join(
    [
        "Der Senat streitet seit gestern über den neuen Haushalt und vertagt sich bis zum Freitag.",
        "Die Feuerwehr rettet eine Katze aus einem Baum, und der Baum steht danach nicht mehr.",
        "Das Wetter bleibt in der ganzen Woche kalt und nass, sagt der Wetterdienst in Offenbach.",
    ]
)
FEED = [Reading(TextSource.FEED_SUMMARY, MeasuredText(STANDFIRST))]


def winner(**readings: str) -> str:
    """Give the source of the reading that wins."""
    page = [
        Reading(TextSource(source.replace("_", "-")), MeasuredText(text)) for source, text in readings.items()
    ]
    return rank(page, FEED, title=TITLE)[0].source


def test_a_headline_and_standfirst_of_its_own_win_no_text_with_furniture() -> None:
    assert winner(page=BODY, page_second=f"{TITLE}\n{STANDFIRST}\n{BODY}\n{FURNITURE}") == "page"


def test_a_text_about_something_else_loses() -> None:
    about = BODY.replace("Die Firma", "Am Burchardkai verständigen sich Kräne und Züge; die Firma")
    assert winner(page=TEASERS, page_second=about) == "page-second"


def test_a_brief_that_is_what_its_feed_said_is_a_text() -> None:
    assert winner(page=f"{TITLE}\n{STANDFIRST} {STANDFIRST}") == "page"
