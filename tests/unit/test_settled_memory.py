"""What half a megabyte at a time costs in page faults, before a process has settled and after."""

import platform
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge import main, memory
from tests.unit.test_settings import EXAMPLE, loaded

_PAGES = 50
_SCRIPT = f"""
import gc, resource, sys
from edge import memory

def pages(count):
    for _ in range(count):
        body = b",".join([b"x" * 926] * 500)
        packet = bytearray()
        packet.extend(body)
        del body, packet

if "settle" in sys.argv:
    memory.settle()
pages(5)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
pages({_PAGES})
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before, gc.get_freeze_count())
"""


def measured(*how: str) -> tuple[float, int]:
    """Page faults a page, and objects kept from the garbage collector, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, *how], capture_output=True, text=True, check=True, timeout=60
    )
    faults, kept = done.stdout.split()
    return int(faults) / _PAGES, int(kept)


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or resource.getpagesize() != 4096, reason="about glibc and 4 KiB"
)
def test_a_page_is_made_in_memory_that_is_there() -> None:
    assert measured("settle")[0] < 5
    assert measured()[0] > 100  # else nothing was shown


def test_what_is_there_is_kept_from_the_garbage_collector() -> None:
    assert measured("settle")[1] > 1000
    assert measured()[1] == 0


def test_a_daemon_settles_once_it_has_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(memory, "settle", lambda: done.append("settled"))
    main._started("sync", loaded(tmp_path, EXAMPLE), time.monotonic())
    assert done == ["settled"]
