"""All faults, by their ids."""

from collections.abc import Mapping

from tests.faults import broker, clocks, database, disks, doubles, index, kills
from tests.faults.trial import Fault

ROOMS = (kills, broker, index, doubles, clocks, disks, database)
CATALOGUE: Mapping[str, Fault] = {fault.id: fault for room in ROOMS for fault in room.FAULTS}
