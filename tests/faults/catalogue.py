"""All faults, by their ids."""

from collections.abc import Mapping

from tests.faults import doubles, kills
from tests.faults.trial import Fault

CATALOGUE: Mapping[str, Fault] = {fault.id: fault for fault in (*kills.FAULTS, *doubles.FAULTS)}
