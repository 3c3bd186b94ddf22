"""What a process holds in RAM."""

from pathlib import Path


def resident(what: str) -> float:
    """MB in RAM, of this process: `VmRSS` now, `VmHWM` at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(what))
