"""Real article pages: the text that is chosen, against what people marked as the article."""

from pathlib import Path

import pytest

from bench.extraction import Scores, corpus_pages, score_texts
from pipeline.extraction.article import Effort, extract

FLOOR = 0.95  # trafilatura alone reaches 0.958 to 0.962 on all 181 pages


def scores(corpora: Path, *, every: int) -> Scores:
    pages = corpus_pages(corpora)[::every]
    texts = {each.id: extract(each.page, [], effort=Effort.FULL).text for each in pages}
    return score_texts(texts, {each.id: each.truth for each in pages})


def test_every_third_real_page_gives_its_article(corpora: Path) -> None:
    assert scores(corpora, every=3).f1 >= FLOOR


@pytest.mark.corpus
def test_all_real_pages_give_their_articles(corpora: Path) -> None:
    assert scores(corpora, every=1).f1 >= FLOOR


@pytest.mark.parametrize(
    ("truth", "text", "f1"),
    [("a b c d e", "a b c d e", 1.0), ("a b c d e", "a b c d", 2 / 3), ("a b c d e", "", 0.0), ("", "", 0.0)],
)
def test_the_scorer_counts_runs_of_four_words(truth: str, text: str, f1: float) -> None:
    assert score_texts({"page": text}, {"page": truth}).f1 == pytest.approx(f1)
