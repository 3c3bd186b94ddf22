"""Signals of the machine: counters, states, tools, meters of energy and of material, as evidence and figures.

Movement gathers in `Live` and is recorded every 30 s while there is any, at every boundary (start, phase,
pause, report, completion, change of tool), and when the machine has begun to run or come to rest: after a
crash only what the journal knows can show that it ran on both sides. What nobody owns becomes
`count.unattributed`. Machine time and energy without a job are recorded without one.
"""

from collections.abc import Sequence

from edge.readings import Reading
from edge.station.pending import PendingStart
from edge.station.signals import claiming, consumption, counting, recording, running, states, tools
from edge.station.state import Job
from edge.station.work import Work

RECORD_MS = recording.RECORD_MS


def observe(work: Work, readings: Sequence[Reading]) -> None:
    """Take what the devices said about this station's tags."""
    signals = work.settings.signals
    for reading in readings:
        tag = reading.name
        for name, counter in work.settings.counters.items():
            if tag == counter.tag:
                counting.count(work, name, reading)
        for name, meter in work.settings.meters.items():
            if tag == meter.tag:
                consumption.measure(work, name, reading)
        if states.concerns(signals, tag):
            states.take(work, reading)
            running.run(work, reading)
        if tag == signals.energy:
            counting.count(work, "energy", reading)
        if tag == signals.tool:
            tools.name(work, reading)


def tick(work: Work) -> None:
    """Record movement that has waited long enough, and the tool that the machine has named long enough."""
    if claiming.figure_shown(work):
        return
    if (named := tools.changed(work)) is not None:
        boundary(work)
        tools.follow(work, named)
    due = work.live.recorded_at is None or work.now.since(work.live.recorded_at) >= RECORD_MS
    turned = running.turned(work)
    if (due and recording.moving(work)) or turned:
        running.run_on(work, only_good=True)
        # Pieces wait while a start is proposed: with OK they are the order's.
        pieces = not isinstance(work.live.pending, PendingStart)
        recording.record(work, pieces=pieces, turned=turned)


def stopping(work: Work) -> None:
    """Record what moved before the process ends; counters that answer lose nothing by it."""
    running.run_on(work, only_good=True)
    for name in work.live.counters:
        recording.record_held(work, name)
    recording.record(work, turned=True)


def boundary(work: Work, *, pieces: bool = True) -> None:
    """Record the counters' values now, before the station changes hands or reports.

    Without `pieces` their movement waits: it belongs to what comes after.
    """
    running.run_on(work)
    recording.record(work, pieces=pieces, at_boundary=True, turned=True)


def record_late_pieces(work: Work, shown: Job) -> None:
    """Draft what the piece counters moved after the figure of job `shown` was shown: it is nobody's."""
    recording.record_late(work, shown)


def figure_shown(work: Work) -> bool:
    """Whether a total waits for OK: what the counters move from then on is not in it."""
    return claiming.figure_shown(work) is not None


def known(work: Work, name: str) -> bool:
    """Whether the device of `running` or `energy` answers now: standing still is then a measured nought."""
    live = work.live.running if name == "running" else work.live.counters.get(name)
    return live is not None and live.good
