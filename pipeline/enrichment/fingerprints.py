"""Fingerprints of texts, by which two articles that tell the same in the same words are found."""

import re
import unicodedata
from collections.abc import Sequence

from rensa import RMinHash

PERMUTATIONS = 128
"""Numbers of a fingerprint: the standard error, sqrt(J(1-J)/128), is at most 0.044 (Broder 1997)."""

SHINGLE_WORDS = 5
FEWEST_WORDS = 20  # shorter texts are alike by chance: "Read more", a caption
SEED = 42  # any; a change makes stored fingerprints incomparable

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_TOKEN = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")


def fingerprint(text: str) -> tuple[int, ...]:
    """Compute the MinHash of a text's 5-word shingles: 128 numbers of 32 bits, the same on every machine.

    Case and punctuation do not count. In scripts without spaces each character counts as a word. Texts under
    20 words have none: the empty tuple.
    """
    words = _TOKEN.findall(unicodedata.normalize("NFKC", text).casefold())
    if len(words) < FEWEST_WORDS:
        return ()
    starts = range(len(words) - SHINGLE_WORDS + 1)
    minhash = RMinHash(num_perm=PERMUTATIONS, seed=SEED)
    minhash.update([" ".join(words[start : start + SHINGLE_WORDS]) for start in starts])
    return tuple(minhash.digest())


def similarity(one: Sequence[int], other: Sequence[int]) -> float:
    """Estimate the Jaccard similarity of two texts' shingles by their fingerprints; 0 when one has none."""
    if not one or not other:
        return 0.0
    return sum(a == b for a, b in zip(one, other, strict=True)) / len(one)
