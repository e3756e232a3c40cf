"""Memory that was freed stays with the process."""

import ctypes
import subprocess
import sys

import pytest

# what glibc's mallinfo2 tells: bytes of blocks fetched from the system one by one, and of the heap
HELD = """
import ctypes
import torch
from utils.freed_memory import keep_freed_memory

class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in
                "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()]

libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Info
{setting}
before = libc.mallinfo2().arena
block = torch.ones(6_000_000)
fetched = libc.mallinfo2().hblkhd
del block
print(fetched, libc.mallinfo2().arena - before)
"""


def held(setting: str) -> tuple[int, int]:
    done = subprocess.run(
        [sys.executable, "-c", HELD.format(setting=setting)], capture_output=True, text=True, check=True
    )
    fetched, kept = map(int, done.stdout.split())
    return fetched, kept


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="needs glibc 2.33 or later"
)
def test_what_a_step_has_freed_is_there_for_the_next():
    fetched, kept = held("keep_freed_memory()")
    assert fetched < 20e6 < kept
    fetched, kept = held("")  # what is mended
    assert kept < 20e6 < fetched
