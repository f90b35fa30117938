"""The embeddings of words, each computed once."""

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from pipeline.enrichment.ner.arrays import Floats, Ids

if TYPE_CHECKING:
    from spacy.tokens import Doc

KEPT_WORDS = 32_768
"""Embeddings that are kept, 0.5 kB each; 180 articles have 22,000. When there are more, all are forgotten."""

_ODD = np.uint64(0x9E3779B97F4A7C15)  # the golden ratio: a norm that is its word's own must not undo it


class Embeddings:
    """Hold the embeddings of the words that were met, and the layers that make them (MultiHashEmbed).

    For one thread: a worker enriches one article at a time.
    """

    def __init__(self, embed: Any) -> None:
        extract, _, hashes, mix, *_ = embed.layers
        self._features: list[int | str] = list(extract.attrs["columns"])
        self._hashes, self._mix = hashes.layers[0], mix.layers[0]
        self._kept = np.empty((KEPT_WORDS, self._mix.get_dim("nO")), np.float32)
        self._places: dict[int, int] = {}

    def look_up(self, tokens: "Doc") -> Floats:
        """Return the embedding of each token, tokens × width."""
        # The norm of a spelling depends on where it stands ('d: had, would). Both are hashes of 64 bits.
        ids = _attributes(tokens, ["ORTH", "NORM"])
        words, firsts, uses = np.unique(
            ids[:, 0] ^ (ids[:, 1] * _ODD), return_index=True, return_inverse=True
        )
        keys = words.tolist()
        if len(self._places) + len(keys) > KEPT_WORDS:
            self._places.clear()
        if len(keys) > KEPT_WORDS:
            return self._compute(_attributes(tokens, self._features))
        if new := [at for at, key in enumerate(keys) if key not in self._places]:
            start = len(self._places)
            features = _attributes(tokens, self._features)
            self._kept[start : start + len(new)] = self._compute(features[firsts[new]])
            self._places.update((keys[at], start + row) for row, at in enumerate(new))
        return self._kept.take(np.array([self._places[key] for key in keys])[uses], axis=0)

    def _compute(self, features: Ids) -> Floats:
        mixed: Floats = self._mix.predict(self._hashes.predict(features))
        return mixed


def _attributes(tokens: "Doc", names: list[int | str]) -> Ids:
    return cast(Ids, tokens.to_array(names)).reshape(len(tokens), -1)
