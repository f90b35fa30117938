"""The live generation: opened for writing, made when there is none, and searched as the store says."""

from secrets import token_hex
from time import gmtime, strftime
from typing import TYPE_CHECKING

from pipeline.indexing.index import Generations, Index
from pipeline.services import Services, mapping_version
from pipeline.store.generations import adopt_generation, live_generation

if TYPE_CHECKING:
    from pipeline.store.store import Store


def open_live(services: Services) -> tuple[Index, str]:
    """Open the live generation for writing and name it; an empty one becomes live where there is none.

    Raises IndexBusyError when another process writes it, IndexUnavailableError when there is no answer.
    """
    generations, store = services.generations, services.store
    name = live_generation(store)
    if name is None or not generations.exists(name):
        # The store learns of the empty generation first: a kill in between makes one more, never a lost one.
        mapping = mapping_version(services.settings)
        name = adopt_generation(store, new_name(), instead_of=name, mapping=mapping)
    index = generations.open(name)
    expose_live(generations, store)
    return index, name


def expose_live(generations: Generations, store: "Store") -> None:
    """Let searches see the generation that is live in the store: a crash may have come between the two."""
    live = live_generation(store)
    while live is not None and generations.exposed() != live:
        generations.expose(live)
        live = live_generation(store)  # another process may have exchanged it meanwhile


def new_name() -> str:
    """Name a generation: by its time, and by chance."""
    return strftime("g%Y%m%d%H%M%S-", gmtime()) + token_hex(2)
