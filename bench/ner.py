"""Find the names in 181 real article texts by spaCy's own `ner` and by the same weights read in fewer steps.

Both read each text in turn, in one process on one thread; times are of the process's own CPU. The first round
meets all words for the first time.

    python -m bench.ner [--corpora ../shared/corpora] [--rounds 3]
"""

import argparse
import multiprocessing
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from bench.bare_loop import MODELS, ONE_THREAD, load_models
from bench.extraction import corpus_pages
from pipeline.enrichment.ner.recognizer import Recognizer, by_spacy, recognizer
from pipeline.extraction.article import Effort, extract

LIBRARIES = ("spacy", "thinc", "numpy")


@dataclass(frozen=True, slots=True)
class Round:
    """Hold a round's milliseconds of CPU a text, the spans that spaCy found, and those of one side alone."""

    spacy_ms: float
    own_ms: float
    spans: int
    different: int


def run_round(texts: Sequence[str], spacy: Recognizer, own: Recognizer) -> Round:
    """Read each text by both, one after the other."""
    spent, spans, different = [0.0, 0.0], 0, 0
    for text in texts:
        found = []
        for number, find in enumerate((spacy, own)):
            start = time.process_time()
            found.append(set(find(text)))
            spent[number] += time.process_time() - start
        spans += len(found[0])
        different += len(found[0] ^ found[1])
    spacy_ms, own_ms = (seconds / len(texts) * 1_000 for seconds in spent)
    return Round(spacy_ms, own_ms, spans, different)


def line(model: str, done: Round) -> str:
    """Tell of a round."""
    return (
        f"{model}: spaCy {done.spacy_ms:.1f} ms a text, read here {done.own_ms:.1f} ms, "
        f"{done.spacy_ms / done.own_ms:.2f} times as fast; {done.spans} spans, {done.different} different"
    )


def measure(corpora: Path, rounds: int) -> None:
    """Print a line a round and model."""
    texts = [extract(each.page, [], effort=Effort.FULL).text for each in corpus_pages(corpora)]
    print(f"{len(texts)} texts; {', '.join(f'{name} {version(name)}' for name in LIBRARIES)}")
    for language, nlp in load_models().items():
        spacy, own = by_spacy(nlp), recognizer(nlp)
        for _ in range(rounds):
            print(line(MODELS[language], run_round(texts, spacy, own)), flush=True)


def main() -> None:
    """Measure in a process of its own, whose matrices have one thread as those of a worker."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--corpora", type=Path, default=Path(__file__).parents[2] / "shared" / "corpora")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    os.environ.update(ONE_THREAD)
    alone = multiprocessing.get_context("spawn").Process(
        target=measure, args=(arguments.corpora, arguments.rounds)
    )
    alone.start()
    alone.join()
    raise SystemExit(alone.exitcode)


if __name__ == "__main__":
    main()
