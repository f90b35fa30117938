"""Moves through a text: begin an entity, go on in it, end it, mark one of a single token, pass by (BILUO).

A state is seen by three tokens: its own and, with an entity open, that one's first and the one before it
(`set_context_tokens` in spaCy's `_state.pxd`). None may begin on white space, nor on the last token unless it
ends there; with one open, to go on and to end are the only moves (spaCy's `ner.pyx`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.enrichment.ner.arrays import Flags, Floats, maxout

_NEVER = np.float32(-np.inf)


@dataclass(frozen=True, slots=True)
class Moves:
    """Hold the numbers of moves; each label can begin, go on, end, and stand on a single token."""

    out: int
    begins: Mapping[int, str]  # labels, by move
    units: Mapping[int, str]
    inside: Mapping[str, tuple[int, int]]  # going on and ending, by label


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer:
    """Hold the weights that score moves."""

    moves: Moves
    project: Floats  # width × hidden
    project_bias: Floats
    features: Floats  # hidden × 3 · pieces · hidden: a token as each of the three
    bias: Floats
    none_open: Floats  # the bias, with what stands for an entity's tokens where there is none
    pieces: int
    scores: Floats  # hidden × moves
    scores_bias: Floats
    opening: Floats  # the same; for moves that need an open entity, never

    def spans(self, rows: Floats, blank: Flags) -> Iterator[tuple[int, int, str]]:
        """Yield the entities (first token, last token, label) of rows, tokens × width."""
        hidden: Floats = rows @ self.project + self.project_bias
        seen: Floats = (hidden @ self.features).reshape(len(rows), 3, -1)
        chosen = self._with_none_open(seen[:, 0], blank)
        free = 0  # the first token behind the last entity
        for start in np.flatnonzero(chosen != self.moves.out).tolist():
            if start < free:
                continue
            label, last = self.moves.units.get(chosen[start]), start
            if label is None:
                label = self.moves.begins[chosen[start]]
                last = self._last(start, label, seen)
            free = last + 1
            yield start, last, label

    def _with_none_open(self, own: Floats, blank: Flags) -> NDArray[np.intp]:
        """Choose each token's move as if no entity were open at it."""
        scores = maxout(own + self.none_open, self.pieces) @ self.scores + self.opening
        scores[-1, list(self.moves.begins)] = _NEVER
        chosen: NDArray[np.intp] = scores.argmax(axis=1)
        chosen[blank] = self.moves.out
        return chosen

    def _last(self, start: int, label: str, seen: Floats) -> int:
        """Find the last token of an entity that begins."""
        more, end = self.moves.inside[label]
        weights = self.scores[:, more] - self.scores[:, end]
        enough = self.scores_bias[end] - self.scores_bias[more]
        begun = seen[start, 1] + self.bias
        for at in range(start + 1, len(seen) - 1):
            state = seen[at, 0] + seen[at - 1, 2] + begun
            if maxout(state, self.pieces) @ weights < enough:
                return at
        return len(seen) - 1


def read_scorer(model: Any, moves: Any) -> Scorer:
    """Read a spaCy `TransitionBasedParser` of three tokens, and its moves."""
    project, lower, upper = model.get_ref("tok2vec").layers[2], model.get_ref("lower"), model.get_ref("upper")
    features = lower.get_param("W")  # 3 × hidden × pieces × inputs
    pieces, inputs = features.shape[2:]
    bias, scores_bias = lower.get_param("b").T.ravel(), upper.get_param("b")
    padding = lower.get_param("pad")[0].transpose(0, 2, 1).reshape(3, -1)
    numbered = _read_moves(moves)
    opening = np.full_like(scores_bias, _NEVER)
    opens = [numbered.out, *numbered.begins, *numbered.units]
    opening[opens] = scores_bias[opens]
    return Scorer(
        moves=numbered,
        project=project.get_param("W").T.copy(),
        project_bias=project.get_param("b"),
        features=features.transpose(0, 2, 1, 3).reshape(-1, inputs).T.copy(),
        bias=bias,
        none_open=padding[1] + padding[2] + bias,
        pieces=pieces,
        scores=upper.get_param("W").T.copy(),
        scores_bias=scores_bias,
        opening=opening,
    )


def _read_moves(moves: Any) -> Moves:
    names = [moves.get_class_name(number).partition("-")[::2] for number in range(moves.n_moves)]
    numbers = {name: number for number, name in enumerate(names)}
    begins = {number: label for number, (kind, label) in enumerate(names) if kind == "B"}
    units = {number: label for number, (kind, label) in enumerate(names) if kind == "U" and label}
    inside = {label: (numbers["I", label], numbers["L", label]) for label in begins.values()}
    return Moves(numbers["O", ""], begins, units, inside)
