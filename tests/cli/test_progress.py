"""How far a run is, in words."""

import pytest

from pipeline.cli.progress import plain_line
from workers.supervisor import Progress


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ((0, 0, 0, 0, 0, 0, 10), "no articles yet; 10 feeds to poll"),
        (
            (12, 30, 2, 30, 0, 0, 1),
            "74 articles: 12 to fetch, 30 to enrich, 2 to index, 30 indexed; 1 feed to poll",
        ),
        ((0, 0, 0, 72, 2, 0, 0), "74 articles: 72 indexed, 2 dropped"),
        ((0, 0, 0, 0, 0, 1, 0), "1 article: 1 in quarantine"),
    ],
)
def test_a_plain_line_says_what_is_left_to_do_and_leaves_out_what_is_none(
    counts: tuple[int, ...], said: str
) -> None:
    found, fetched, enriched, indexed, dropped, quarantined, feeds_due = counts
    progress = Progress(
        found=found,
        fetched=fetched,
        enriched=enriched,
        indexed=indexed,
        dropped=dropped,
        quarantined=quarantined,
        feeds_due=feeds_due,
    )
    assert plain_line(progress) == said
