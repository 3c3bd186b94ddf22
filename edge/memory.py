"""What a process that runs for months does about its memory, once all that it is made of is there."""

import ctypes
import gc
import sys

# mallopt(3), malloc.h. A page of 500 facts is half a megabyte, and some of them are under way at a time.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 8 * 1024 * 1024
_LARGE_BYTES = 4 * 1024 * 1024


def settle() -> None:
    """Keep what is there from the garbage collector, and what pages were made in from the system.

    What lives as long as the process need not be looked through again: no pause of some ms in a scan. glibc
    gives each page's memory back when it is sent and asks for it again at the next: 200 page faults a page.
    """
    gc.collect()
    gc.freeze()
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        # Another C library has its own ways; and where the first is refused, the second does harm.
        if mallopt is not None and mallopt(_MMAP_THRESHOLD, _LARGE_BYTES):
            mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
