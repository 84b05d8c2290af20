import platform
import subprocess
import sys

import pytest

from sentscore_train.training.memory import keep_freed_memory

_FAULTS = """
import resource, torch
from sentscore_train.training.memory import keep_freed_memory
if {keep}: keep_freed_memory()
def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5): torch.ones(8 << 20).add(1)
before = faults()
for _ in range(10): torch.ones(8 << 20).add(1)
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's malloc has these settings")
def test_memory_of_a_step_is_not_cleared_again_for_the_next_one() -> None:
    plain, kept = (
        int(subprocess.run([sys.executable, "-c", _FAULTS.format(keep=keep)], capture_output=True, check=True).stdout)
        for keep in (False, True)
    )

    assert kept < plain / 10, (kept, plain)


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")

    assert not keep_freed_memory()
