"""When a worker makes way for a fresh one."""

import subprocess
import sys

import pytest

from workers.recycling import MOST_BYTES, SHIFTS_A_WORKER, is_worn, resident_bytes

MIB = 1024**2


@pytest.mark.parametrize(
    ("shifts", "octets", "worn"),
    [
        (1, 80 * MIB, False),
        (SHIFTS_A_WORKER - 1, 80 * MIB, False),
        (SHIFTS_A_WORKER, 80 * MIB, True),
        (1, MOST_BYTES + 1, True),
        (1, 0, False),  # nobody tells
    ],
)
def test_it_does_after_many_shifts_or_with_much_memory(shifts: int, octets: int, worn: bool) -> None:
    assert is_worn(shifts, octets) is worn


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_memory_in_use_is_read() -> None:
    before = resident_bytes()
    ballast = bytearray(b"x") * (64 * MIB)
    assert resident_bytes() - before > 60 * MIB
    del ballast


def test_a_process_that_retires_is_asked_to_end() -> None:
    code = "from workers.recycling import retire; retire(); print('not reached')"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (ended.returncode, ended.stdout) == (-15, b"")
