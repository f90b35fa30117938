"""Articles that may be one wait for each other, and never all of them."""

from dataclasses import replace
from itertools import pairwise

from sqlalchemy import update

from pipeline.model import Stage, State
from pipeline.store.claimed import ArticleClaim
from pipeline.store.claims import claim_articles
from pipeline.store.enriched import find_twins, read_material
from pipeline.store.store import Store
from pipeline.store.tables import articles
from tests.cli.newsroom import FEED, OWNER, entry, id_of, poll

LINKS = [f"https://courier.example/{number}" for number in range(3)]


def waits_for(store: Store, claim: ArticleClaim) -> set[str]:
    """Tell which articles have to be done before this one."""
    seen = read_material(store, claim).seen
    return {each.id for each in find_twins(store, claim, (), seen) if each.is_coming}


def test_of_articles_that_wait_in_a_ring_the_one_with_the_smallest_id_goes_on(store: Store) -> None:
    poll(store, FEED, *(replace(entry(link), guid="one story") for link in LINKS))
    smallest, *others = sorted(map(id_of, LINKS))
    with store.write() as connection:
        connection.execute(update(articles).values(state=State.FETCHED, stage=Stage.ENRICH))
        for id, other in pairwise([smallest, *reversed(others), smallest]):
            connection.execute(update(articles).where(articles.c.id == id).values(waits_for=other))
    claims = {each.id: each for each in claim_articles(store, Stage.ENRICH, owner=OWNER, limit=9)}
    assert waits_for(store, claims[smallest]) == set()
    assert all(smallest in waits_for(store, claims[id]) for id in others)


def test_one_that_waits_in_vain_no_more_makes_no_ring(store: Store) -> None:
    poll(store, FEED, *(replace(entry(link), guid="one story") for link in LINKS))
    smallest, middle, largest = sorted(map(id_of, LINKS))
    with store.write() as connection:
        connection.execute(update(articles).values(state=State.FETCHED, stage=Stage.ENRICH))
        done = {"state": State.INDEXED, "stage": None, "waits_for": smallest}
        connection.execute(update(articles).where(articles.c.id == middle).values(**done))
        connection.execute(update(articles).where(articles.c.id == largest).values(waits_for=middle))
    claims = {each.id: each for each in claim_articles(store, Stage.ENRICH, owner=OWNER, limit=9)}
    assert waits_for(store, claims[smallest]) == {largest}
