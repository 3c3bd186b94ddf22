"""The state as one journal gives it to the next."""

import msgspec
from msgspec.structs import replace

from edge import events, wallclock
from edge.station.state import STATE_VERSION, Job, Line, Station
from edge.uptime import Uptime


def carried(line: Line) -> str:
    """The state as `journal.opened` carries it into the next journal, without what is of this one alone."""
    line = replace(line, uptime=Uptime())
    return msgspec.json.encode({"version": STATE_VERSION, "line": line}).decode()


def posted_unknown(line: Line) -> Line:
    """The state where receivers may hold facts that were lost here: nothing is to be posted twice.

    Time, energy and metered material that no report carries become unknown, a counter's next movement is
    nobody's, and nobody knows whether the machine ran.
    """

    def job(one: Job) -> Job:
        return replace(one, setup_ms=0, machine_s=None, energy_kwh=None, labour=(), metered={})

    def station(one: Station) -> Station:
        counters = {
            name: replace(counter, silent=True, crossed=True)
            for name, counter in one.counters.items()
            if name != "running"
        }
        return replace(one, jobs=tuple(map(job, one.jobs)), counters=counters, last=None)

    stations = {name: station(one) for name, one in line.stations.items()}
    return replace(line, stations=stations, at=None, pools=(), idle=())


def taken_over(line: Line, fact: events.JournalOpened) -> Line:
    """The state that the journal before ended with."""
    if fact.state is None:
        return line
    try:
        line = msgspec.json.decode(fact.state, type=_Carried).line
        return replace(line, wall=wallclock.taken_over(line.wall))
    except msgspec.DecodeError:
        return line  # of a version whose state has another form


class _Carried(msgspec.Struct):
    line: Line
