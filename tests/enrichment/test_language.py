"""Which language a text is in, and when its page's claim is believed instead."""

import json
from pathlib import Path

import pytest

from pipeline.enrichment.language import LanguageDetector

CREDIT = "Photo: John Smith / Getty Images, New York City, United States of America. "
GERMAN = "Der Bürgermeister hat am Freitag die neue Brücke über den Fluss eröffnet, später als geplant. "


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The mayor opened the new bridge over the river on Friday.", "en"),
        ("Le maire a inauguré vendredi\nle nouveau pont\nsur la rivière.", "fr"),
        (CREDIT + GERMAN * 3, "de"),
        ("THE MAYOR OPENED THE NEW BRIDGE OVER THE RIVER ON FRIDAY", "en"),
        ("市長は金曜日に新しい橋を開通させた。", "ja"),
        ("시장은 금요일에 새 다리를 개통했다.", "ko"),
        ("Ordføreren åpnet den nye broen over elven på fredag, to år forsinket.", "no"),
    ],
)
def test_a_text_tells_its_language_whatever_is_claimed(
    text: str, language: str, languages: LanguageDetector
) -> None:
    assert languages.detect(text, claim="xx") == language


@pytest.mark.parametrize("text", ["", "Brexit", "12345 67890 12345 67890", "Ana Bor Cid"])
@pytest.mark.parametrize("claim", ["fr", None])
def test_a_short_text_is_in_the_language_that_is_claimed(
    text: str, claim: str, languages: LanguageDetector
) -> None:
    assert languages.detect(text, claim=claim) == claim


def test_a_language_that_the_model_does_not_know_is_as_claimed(languages: LanguageDetector) -> None:
    zulu = "Imeya ivule ibhuloho elisha phezu komfula ngoLwesihlanu, emva kweminyaka emibili."
    assert languages.detect(zulu, claim="zu") == "zu"
    assert languages.detect(zulu, claim=None) is None


def test_the_stamp_names_the_model(languages: LanguageDetector) -> None:
    assert languages.stamp.startswith("lid.176.ftz-")


@pytest.mark.parametrize(
    ("language", "share"), [("en", 0.95), ("fr", 0.9), ("de", 0.95), ("ja", 0.9), ("es", 0.95)]
)
def test_sentences_of_the_web_are_recognised(
    language: str, share: float, languages: LanguageDetector, corpora: Path
) -> None:
    lines = (corpora / "languages" / "samples.jsonl").read_text("utf-8").splitlines()
    samples = [
        sample
        for sample in map(json.loads, lines)
        if (sample["lang"], sample["kind"]) == (language, "sentence")
    ]
    right = sum(languages.detect(sample["text"], claim=None) == language for sample in samples)
    assert right >= share * len(samples)
