"""Memory that was freed stays with the process."""

import subprocess
import sys

import pytest

STEPS = """
import resource
import torch
from utils.freed_memory import keep_freed_memory
{setting}

def step():
    blocks = [torch.ones(1_000_000) for _ in range(4)]  # 16 MB
    del blocks

for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    step()
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // 20)
"""


def pages_a_step(setting: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", STEPS.format(setting=setting)], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc is Linux's")
def test_a_step_asks_the_system_for_no_page_that_it_has_freed():
    assert pages_a_step("keep_freed_memory()") < 100
    assert pages_a_step("") > 1000  # what is mended
