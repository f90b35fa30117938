"""MinHash fingerprints of texts."""

import re
from collections.abc import Sequence

from rensa import RMinHash

HASHES = 128
SHINGLE = 5
LEAST_WORDS = 20


def fingerprint(text: str) -> tuple[int, ...]:
    """Make the MinHash of a text's 5-word shingles; empty for texts of fewer than 20 words."""
    words = re.findall(r"\w+", text.lower())
    if len(words) < LEAST_WORDS:
        return ()
    hashed = RMinHash(num_perm=HASHES, seed=42)
    hashed.update([" ".join(words[start : start + SHINGLE]) for start in range(len(words) - SHINGLE + 1)])
    return tuple(hashed.digest())


def similarity(first: Sequence[int], second: Sequence[int]) -> float:
    """Estimate the Jaccard similarity of two texts' shingles."""
    if not first or len(first) != len(second):
        return 0.0
    return sum(a == b for a, b in zip(first, second, strict=True)) / len(first)
