"""The real clock: wall time, time since boot, and whether NTP holds the wall clock.

The wall clock and CLOCK_BOOTTIME run at the same rate, NTP's slewing included (clock_gettime(2)): their
difference changes only when the wall clock is set.
"""

import ctypes
import time
from pathlib import Path

from edge.readings import ClockQuality, Moment

_STA_UNSYNC = 0x0040  # linux/timex.h
_TIMEX_SIZE = 208  # struct timex on 64-bit Linux, padding included
_SYNC_CHECK_INTERVAL_MS = 10_000
_SET_MS = 100  # between the two clocks: more than the time between asking for the one and the other


class SystemClock:
    """`now` on this machine; asks the kernel for its synchronisation state every ten seconds.

    Whoever sets the clock makes the kernel say `unsynced` until NTP holds it again (ntp_clear() in
    kernel/time/ntp.c): after a step it is asked at once.
    """

    def __init__(self) -> None:
        self._boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        self._quality: ClockQuality = "synced"
        self._checked_ms = -_SYNC_CHECK_INTERVAL_MS
        self._offset_ms = 0

    def now(self) -> Moment:
        """This moment."""
        monotonic_ms = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
        wall_ms = time.time_ns() // 1_000_000
        was_set = abs(wall_ms - monotonic_ms - self._offset_ms) > _SET_MS
        if was_set or monotonic_ms - self._checked_ms >= _SYNC_CHECK_INTERVAL_MS:
            self._quality, self._checked_ms = kernel_quality(), monotonic_ms
            self._offset_ms = wall_ms - monotonic_ms
        return Moment(wall_ms, monotonic_ms, self._boot_id, self._quality)


def kernel_quality() -> ClockQuality:
    """`unsynced` where the kernel says that nothing disciplines its clock (adjtimex(2), STA_UNSYNC)."""
    timex = ctypes.create_string_buffer(_TIMEX_SIZE)  # modes = 0: only read
    if ctypes.CDLL(None, use_errno=True).adjtimex(timex) < 0:
        return "unsynced"
    # unsigned modes; long offset, freq, maxerror, esterror; int status
    status = ctypes.c_int.from_buffer(timex, 40).value
    return "unsynced" if status & _STA_UNSYNC else "synced"
