"""Meters of material: a flow counter by the delta rule, a weight by its fall.

A weight that rises was filled up, and counts on from there. One that falls faster than the material can be
used was taken off the scale, or is wrong: a person decides.
"""

from decimal import Decimal
from functools import partial

from msgspec.structs import replace

from edge.readings import Reading
from edge.settings import Meter
from edge.station import counters
from edge.station.live import LiveCounter
from edge.station.signals import counting, recording
from edge.station.work import Work

_SLACK_S = 2  # what may be used at once, for jitter between polls


def measure(work: Work, name: str, reading: Reading) -> None:
    """Gather what a meter says was used."""
    meter = work.settings.meters[name]
    rule = _rule(meter)
    if meter.measures == "flow":
        counting.take(work, name, reading, partial(counters.move, rule))
        return
    before = work.live.counters.get(name)
    if before is not None and _steady(before, counting.raw_of(reading), meter):
        recording.keep(work, name, replace(before, good=True))
        counting.end_silence(work, name)
        return
    counting.take(work, name, reading, partial(_fallen, rule))
    after = work.live.counters.get(name)
    if before is not None and after is not None and after.raw > before.raw:
        recording.record_counter(work, name, always=True)  # a restart goes on from the full weight


def _rule(meter: Meter) -> counters.Rule:
    per_s = meter.max_rate_per_min / meter.multiplier / 60
    return counters.Rule(per_s, per_s * _SLACK_S + meter.tolerance, meter.modulus, meter.reset)


def _steady(before: LiveCounter, raw: Decimal | None, meter: Meter) -> bool:
    """Whether a weight only wavers: then what it was stays, so that noise does not add up."""
    return raw is not None and abs(raw - before.raw) < meter.tolerance


def _fallen(rule: counters.Rule, before: Decimal, current: Decimal, elapsed_ms: int) -> counters.Move:
    """How far a weight fell; nothing where it rose."""
    if current >= before:
        return counters.Move("counted", Decimal(0))
    return counters.move(rule, current, before, elapsed_ms)
