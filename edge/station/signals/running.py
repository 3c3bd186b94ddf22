"""The time that the machine runs: the sum of what its state says, and the short stops within.

Time is measured on the signals as they are read; only a rest shorter than their debounce is none. A stop that
began and ended while the machine answered, within one job and phase, and is shorter than
`signals.micro_stop_s`, is a micro-stop. A gap in the signals of at most 60 s with the machine running on both
sides counts as running; a longer one is not counted and marks the record incomplete.
"""

from msgspec.structs import replace

from edge.events import Phase
from edge.readings import Moment, Reading
from edge.station.live import LiveRunning, Stop
from edge.station.owning import owner
from edge.station.signals import states
from edge.station.signals.recording import RECORD_MS
from edge.station.signals.states import STEADY_MS
from edge.station.state import JobKey
from edge.station.work import Work

GAP_MS = 60_000


def run(work: Work, reading: Reading) -> None:
    """Take what the states say now: whether the machine runs, at the moment of a reading."""
    live = work.live.running or _recorded(work)
    on = states.runs(work)
    if on is None:
        silent = replace(live, good=False, stop=None) if live else None
        work.live = replace(work.live, running=silent)
        return
    at = reading.received
    if live is not None and at.boot_id == live.at.boot_id and at.monotonic_ms < live.at.monotonic_ms:
        at = live.at  # a reading that waited behind a slow commit: its time is counted already
    if live is None:
        work.live = replace(work.live, running=LiveRunning(on, at, at))
        return
    ms, incomplete = _ran(live, on, replace(at, sound=work.now.sound))
    since = live.since if live.on == on and live.since.boot_id == at.boot_id else at
    after = replace(
        live,
        on=on,
        at=at,
        since=since,
        ms=live.ms + ms,
        good=True,
        incomplete=live.incomplete or incomplete,
        restored=False,
    )
    work.live = replace(work.live, running=_with_stop(work, live, after))


def run_on(work: Work, *, only_good: bool = False) -> None:
    """Bring running time up to this moment, so that each side of a boundary gets its own."""
    live = work.live.running
    if live is None or (only_good and not live.good):
        return
    if live.at.boot_id == work.now.boot_id and live.at.monotonic_ms > work.now.monotonic_ms:
        return  # a boundary that lies before the last look
    if live.good:
        ms = work.now.since(live.at) if live.on and work.now.since(live.at) <= GAP_MS else 0
        work.live = replace(work.live, running=replace(live, at=work.now, ms=live.ms + ms))
    else:
        # What the silent machine did cannot be told apart on the two sides.
        work.live = replace(work.live, running=replace(live, on=False, at=work.now, incomplete=live.on))


def turned(work: Work) -> bool:
    """Whether the machine began to run, or came to rest, and the journal does not know it yet."""
    live, recorded = work.live.running, work.station.counters.get("running")
    if live is None or not live.good or (recorded is not None and (recorded.raw == 1) == live.on):
        return False
    return work.now.since(live.since) >= STEADY_MS[live.on]


def _ran(live: LiveRunning, on: bool, at: Moment) -> tuple[int, bool]:
    """Running time since the signals were last seen, and whether some is missing."""
    gap_ms = at.elapsed(live.at)
    allowed_ms = GAP_MS + (RECORD_MS if live.restored else 0)
    if not live.on:
        return 0, not live.good and (gap_ms is None or gap_ms > allowed_ms)
    counts = gap_ms is not None and (live.good or on) and gap_ms <= allowed_ms
    return (gap_ms or 0, False) if counts else (0, True)


def _with_stop(work: Work, before: LiveRunning, after: LiveRunning) -> LiveRunning:
    """The running signal with the stop that began or ended by this reading."""
    if after.on == before.on:
        return after
    if before.on:
        return replace(after, stop=Stop(after.at, _owner(work)) if before.good else None)
    stop = before.stop
    if stop is None or stop.owner is None or stop.owner != _owner(work):
        return replace(after, stop=None)
    signals = work.settings.signals
    lasted_ms = after.at.since(stop.at)
    if lasted_ms < STEADY_MS[False]:
        return replace(after, stop=None, ms=after.ms + lasted_ms)
    if lasted_ms >= signals.micro_stop_s * 1000:
        return replace(after, stop=None)
    return replace(
        after,
        stop=None,
        ms=after.ms + (lasted_ms if signals.micro_stops_run else 0),
        micro_stops=after.micro_stops + 1,
        micro_stop_ms=after.micro_stop_ms + lasted_ms,
    )


def _owner(work: Work) -> tuple[JobKey, Phase] | None:
    job, owned = work.station.job, owner(work.station, "running")
    return (owned, job.phase) if job and owned else None


def _recorded(work: Work) -> LiveRunning | None:
    recorded = work.station.counters.get("running")
    # Not good: the collector did not see the machine since.
    if recorded is None:
        return None
    return LiveRunning(recorded.raw == 1, recorded.at, recorded.at, good=False, restored=True)
