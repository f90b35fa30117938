"""The flow from a text to the names in it, by a spaCy model's weights.

    text ──► tokens ──► embeddings ──► windows ──► moves ──► spans
             spaCy      of words       layers of   BILUO,
                        met before     matrices    greedy

spaCy computes a word's embedding anew wherever it stands, and asks a state machine for each token which moves
it may take. An embedding depends on the word alone, so it is kept (`embeddings`). Outside of an entity a move
depends on its token alone, so all tokens are scored at once; inside one, two moves are left (`moves`). The
spans are the same, in half the time (decision 70).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.enrichment.ner.embeddings import Embeddings
from pipeline.enrichment.ner.encoder import read_encoder
from pipeline.enrichment.ner.moves import read_scorer

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

OF_THE_WORD = frozenset({"NORM", "PREFIX", "SUFFIX", "SHAPE"})
"""Features that a token's spelling and norm decide."""


class Span(NamedTuple):
    """Name a stretch of a text, in characters, and the model's own label of it."""

    start: int
    end: int
    label: str


Recognizer = Callable[[str], Sequence[Span]]
"""Finds the names in a text, in their order."""


def recognizer(nlp: "Language") -> Recognizer:
    """Return what finds names as spaCy's `ner` does; spaCy itself for a model that is built otherwise."""
    if not _is_known(nlp):
        return by_spacy(nlp)
    ner: Any = nlp.get_pipe("ner")
    tok2vec = ner.model.get_ref("tok2vec").layers[0]
    embeddings = Embeddings(tok2vec.get_ref("embed"))
    encoder, scorer = read_encoder(tok2vec.get_ref("encode")), read_scorer(ner.model, ner.moves)

    def find(text: str) -> Sequence[Span]:
        tokens = nlp.make_doc(text)
        if not len(tokens):
            return []
        blank = tokens.to_array("IS_SPACE").astype(bool)
        found = scorer.spans(encoder.encode(embeddings.look_up(tokens)), blank)
        return [_span(tokens, *each) for each in found]

    return find


def by_spacy(nlp: "Language") -> Recognizer:
    """Return what finds names by spaCy alone."""
    return lambda text: [Span(each.start_char, each.end_char, each.label_) for each in nlp(text).ents]


def _span(tokens: "Doc", first: int, last: int, label: str) -> Span:
    return Span(tokens[first].idx, tokens[last].idx + len(tokens[last]), label)


def _is_known(nlp: "Language") -> bool:
    """Tell whether a model is trained, greedy, and built of parts that are read here (spaCy: `ml/models`)."""
    if nlp.pipe_names != ["ner"] or nlp.get_pipe_meta("ner").factory != "ner":
        return False
    ner: Any = nlp.get_pipe("ner")
    config = nlp.get_pipe_config("ner")["model"]
    tok2vec = config.get("tok2vec", {})
    return (
        config["@architectures"] == "spacy.TransitionBasedParser.v2"
        and not ner.model.attrs["unseen_classes"]
        and (config["state_type"], config["extra_state_tokens"], config["use_upper"]) == ("ner", False, True)
        and config["maxout_pieces"] > 1
        and tok2vec["@architectures"] == "spacy.Tok2Vec.v2"
        and _are_known(tok2vec["embed"], tok2vec["encode"])
    )


def _are_known(embed: Mapping[str, Any], encode: Mapping[str, Any]) -> bool:
    return (
        embed["@architectures"] == "spacy.MultiHashEmbed.v2"
        and set(embed["attrs"]) <= OF_THE_WORD
        and not embed["include_static_vectors"]
        and encode["@architectures"] == "spacy.MaxoutWindowEncoder.v2"
        and encode["window_size"] == 1
        and encode["maxout_pieces"] > 1
    )
