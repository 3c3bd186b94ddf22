"""Whose a counter's movement is."""

from msgspec.structs import replace

from edge.station.state import MACHINE, Job, JobKey, Station


def crossed(before: Station, after: Station) -> Station:
    """Mark counters that were silent while the station changed hands: their next movement is nobody's.

    What other counters moved before is recorded by then (facts: machine signals).
    """
    counters = {
        name: replace(counter, crossed=True)
        if counter.silent and _hands(before, name) != _hands(after, name)
        else counter
        for name, counter in after.counters.items()
    }
    return replace(after, counters=counters) if counters else after


def _hands(station: Station, counter: str) -> tuple[object, ...]:
    """In whose hands a counter is: the job and its phase; for pieces also by which tool."""
    job = station.job
    held = owner(station, counter), job.phase if job else None
    if counter in MACHINE:
        return (*held, *(one.key for one in at_work(station)))
    sharing = station.jobs if station.tool and station.tool.shares else at_work(station)
    return (*held, station.tool, *((one.key, one.phase) for one in sharing))


def at_work(station: Station) -> tuple[Job, ...]:
    """The open jobs that share a counter of pieces: those in the run phase, else those in set-up.

    A paused job has no part in it; where all are paused, the selected one has all.
    """
    working = tuple(job for job in station.jobs if job.paused is None)
    running = tuple(job for job in working if job.phase == "run")
    return running or working or ((station.job,) if station.job else ())


def owner(station: Station, counter: str) -> JobKey | None:
    """Whose a counter's movement is: pieces are the selected job's, machine time not while it is paused."""
    job = station.job
    if job is None or (counter in MACHINE and job.paused and not job.paused_machine):
        return None
    return job.key
