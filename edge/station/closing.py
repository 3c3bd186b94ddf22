"""Completed jobs: how long they are kept, and how one is open again.

The last one of a station is kept for its undo; those before it while a check of their completion waits for a
person, who may say that it did not occur.
"""

from msgspec.structs import replace

from edge.station.state import SWITCHED, Job, JobKey, Line, Station


def kept(line: Line, name: str, key: JobKey) -> tuple[Job, ...]:
    """The completed jobs of a station that are kept beside the one that is completed now."""
    waits = {
        one.job
        for one in line.waiting.values()
        if one.station == name and one.type == "work.completed" and not one.earlier_run
    }
    return tuple(job for job in line.station(name).completed if job.key in waits and job.key != key)


def reopened(station: Station, key: JobKey) -> Station:
    """The station where a completed job is open again, set aside: it goes on with a scan of its order.

    The decision comes late: until that scan strokes and time at the station are not the job's.
    """
    job = next((one for one in station.completed if one.key == key), None)
    if job is None or station.find(key) is not None:
        return station
    held = station.without(key)
    pause = {"paused": SWITCHED, "paused_labour": False, "paused_machine": False, "paused_by_signal": False}
    finished = tuple(one for one in station.finished if one != key)
    return replace(held, jobs=(*held.jobs, replace(job, **pause)), finished=finished)
