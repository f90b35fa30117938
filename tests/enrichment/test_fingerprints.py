"""Fingerprints find the same text again, and keep different ones apart."""

import json
import zipfile
from itertools import combinations
from pathlib import Path

import pytest

from pipeline.enrichment.fingerprints import PERMUTATIONS, fingerprint, similarity

WORDS = [f"word{number}" for number in range(400)]
TEXT = " ".join(WORDS)
SAME = 0.5  # between the planted pairs, 0.8 and more, and all others, 0.21 and less

NEWS = (
    "The mayor opened the new bridge over the river on Friday, two years later than the city had promised. "
    "Some three hundred people walked across it within the first hour."
)


def test_a_fingerprint_is_the_same_on_every_machine() -> None:
    assert fingerprint(NEWS)[:4] == (3338460251, 2645859590, 1497293246, 3242476439)
    assert len(fingerprint(NEWS)) == PERMUTATIONS


def test_case_and_punctuation_do_not_count() -> None:
    assert fingerprint(TEXT.upper().replace(" ", ", ")) == fingerprint(TEXT)


@pytest.mark.parametrize(("changed", "jaccard"), [(2, 0.95), (8, 0.82), (40, 0.33)])
def test_the_estimate_follows_how_much_is_changed(changed: int, jaccard: float) -> None:
    edited = [f"new{place}" if place % (400 // changed) == 5 else word for place, word in enumerate(WORDS)]
    assert similarity(fingerprint(TEXT), fingerprint(" ".join(edited))) == pytest.approx(jaccard, abs=0.13)


def test_other_texts_have_nothing_in_common() -> None:
    assert similarity(fingerprint(TEXT), fingerprint(TEXT.replace("word", "other"))) == 0.0


@pytest.mark.parametrize("text", ["", "Read more", " ".join(WORDS[:19])])
def test_short_texts_are_like_nothing(text: str) -> None:
    assert fingerprint(text) == ()
    assert similarity(fingerprint(text), fingerprint(text)) == 0.0


def test_scripts_without_spaces_are_compared_by_characters() -> None:
    text = "市長は金曜日に新しい橋を開通させた。計画より二年遅れての開通となったが、多くの市民が集まった。"
    other = "首相は月曜日に国会で演説し、来年度の予算案について説明した。野党は強く反発している。"
    assert similarity(fingerprint(text), fingerprint(text + "以上。")) > 0.8
    assert similarity(fingerprint(text), fingerprint(other)) < 0.1


def test_near_duplicates_among_real_news_are_found(corpora: Path) -> None:
    folder = corpora / "near-duplicates"
    lines = (folder / "news100-documents.jsonl").read_text("utf-8").splitlines()
    prints = {document["id"]: fingerprint(document["text"]) for document in map(json.loads, lines)}
    pairs = json.loads((folder / "news100-pairs.json").read_text("utf-8"))
    planted = {frozenset((pair["a"], pair["b"])) for pair in pairs if pair["near_duplicate"]}
    assert found(prints) == planted


def test_planted_pairs_among_shuffled_articles_are_found(corpora: Path) -> None:
    with zipfile.ZipFile(corpora / "near-duplicates" / "minhash-articles.zip") as archive:
        articles = archive.read("articles_100.train").decode("utf-8", "replace").splitlines()
        truth = archive.read("articles_100.truth").decode().splitlines()
    prints = {id: fingerprint(text) for id, _, text in (line.partition(" ") for line in articles)}
    assert found(prints) == {frozenset(line.split()) for line in truth}


def found(prints: dict[str, tuple[int, ...]]) -> set[frozenset[str]]:
    return {frozenset((a, b)) for a, b in combinations(prints, 2) if similarity(prints[a], prints[b]) >= SAME}
