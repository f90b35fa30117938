"""Measure the chosen text of 181 real article pages beside trafilatura's own, in one run.

F1 is that of the corpus (its SOURCE.md): runs of four words, counted with multiplicity, precision and recall
averaged over pages. Times are of the process's own CPU, after a few pages to warm up.

    python -m bench.extraction [--corpora ../shared/corpora]
"""

import argparse
import gzip
import json
import re
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import fmean

import trafilatura

from pipeline.extraction.article import Effort, extract
from pipeline.model import Page

RUN = 4  # words
WARM_UP = 20  # pages; the first third opinion alone loads stop lists for 0.3 s
LIBRARIES = ("trafilatura", "resiliparse", "lxml")

Shingles = Counter[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class CorpusPage:
    """Hold one real page and the text that people marked in it."""

    id: str
    page: Page
    truth: str


@dataclass(frozen=True, slots=True)
class Scores:
    """Hold the mean precision and recall over pages."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """Return the harmonic mean of both means."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def corpus_pages(corpora: Path) -> list[CorpusPage]:
    """Read the 181 pages, in the order of their identifiers."""
    folder = corpora / "article-extraction"
    truth = json.loads((folder / "ground-truth.json").read_text("utf-8"))
    headers = (("Content-Type", "text/html; charset=utf-8"),)
    with zipfile.ZipFile(folder / "html.zip") as archive:
        bodies = {Path(name).name.split(".")[0]: archive.read(name) for name in archive.namelist()}
    return [
        CorpusPage(
            id,
            Page(
                url=record["url"],
                status=200,
                headers=headers,
                body=gzip.decompress(bodies[id]),
                fetched_at=0.0,
            ),
            record["articleBody"],
        )
        for id, record in sorted(truth.items())
    ]


def score_texts(texts: Mapping[str, str], truths: Mapping[str, str]) -> Scores:
    """Score texts against the truth, both by page."""
    pairs = [_precision_and_recall(_shingles(truths[id]), _shingles(texts[id])) for id in truths]
    precisions = [precision for precision, _ in pairs if precision is not None]
    recalls = [recall for _, recall in pairs if recall is not None]
    return Scores(fmean(precisions or [0.0]), fmean(recalls or [0.0]))


def _shingles(text: str) -> Shingles:
    words = re.findall(r"\w+", text)
    if not words:
        return Counter()
    return Counter(tuple(words[start : start + RUN]) for start in range(max(1, len(words) - RUN + 1)))


def _precision_and_recall(truth: Shingles, found: Shingles) -> tuple[float | None, float | None]:
    """Return both for one page; None where nothing was found, or nothing was there, to divide by."""
    both = (truth & found).total()
    precision = both / found.total() if found else None
    recall = both / truth.total() if truth else None
    return precision, recall


def _chosen(page: Page) -> str:
    return extract(page, [], effort=Effort.FULL).text


def _trafilatura(page: Page, *, fast: bool) -> str:
    return trafilatura.extract(page.body, fast=fast, include_comments=False) or ""


def measure(name: str, read: Callable[[Page], str], pages: Sequence[CorpusPage]) -> str:
    """Run one extractor over all pages; return a line of the table."""
    for each in pages[:WARM_UP]:
        read(each.page)
    start = time.process_time()
    texts = {each.id: read(each.page) for each in pages}
    milliseconds = (time.process_time() - start) / len(pages) * 1_000
    scores = score_texts(texts, {each.id: each.truth for each in pages})
    return f"{name:34}{scores.f1:8.3f}{scores.precision:11.3f}{scores.recall:8.3f}{milliseconds:9.1f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    default = Path(__file__).parents[2] / "shared" / "corpora"
    parser.add_argument("--corpora", type=Path, default=default)
    pages = corpus_pages(parser.parse_args().corpora)
    print(f"{len(pages)} pages; {', '.join(f'{name} {version(name)}' for name in LIBRARIES)}")
    print(f"{'':34}{'F1':>8}{'precision':>11}{'recall':>8}{'ms/page':>9}")
    print(measure("trafilatura fast", lambda page: _trafilatura(page, fast=True), pages))
    print(measure("trafilatura default", lambda page: _trafilatura(page, fast=False), pages))
    print(measure("Wireroom (text, title, date, …)", _chosen, pages))


if __name__ == "__main__":
    main()
