"""Tools and meters: what is mounted, what of it gives nothing, and a meter that was replaced."""

from decimal import Decimal

from msgspec.structs import replace

from edge.events import MeterReplaced
from edge.station import signals
from edge.station.signals import sharing, tools
from edge.station.state import ZERO, Tool
from edge.station.texts import Text, say
from edge.station.work import Refused, Work, number


def mount(work: Work, tool: str) -> Text:
    """LSCTOOL: from now on a count is what this tool brings."""
    _by_hand(work)
    mounted = work.station.tool
    if mounted is not None and mounted.tool == tool:
        raise Refused("tool_already", tool=tool)
    known = work.master.tools.get(tool)
    if known is None and work.master.document.tools is not None:
        raise Refused("tool_unknown", tool=tool)
    signals.boundary(work)
    tools.mount(work, tool, known)
    if known is None:
        return say("tool_unknown_units", tool=tool)
    if known.shares:
        made = Text(*(", ".join(f"{one} {each}" for one, each in _each(work)),) * 2)
        return say("tool_makes", tool=tool, materials=made) + _fits(work)
    return say("tool_mounted", tool=tool, units=number(_units(work)))


def take_off(work: Work) -> Text:
    """LSCNOTOOL: from now on a count is what the counter's setting says."""
    _by_hand(work)
    mounted = _mounted(work)
    signals.boundary(work)
    tools.unmount(work)
    return say("tool_off", tool=mounted.tool)


def block(work: Work, said: str) -> Text:
    """LSCBLOCKED: so many cavities give nothing, of the named material where the tool makes several."""
    tool = _mounted(work)
    count, _, material = said.partition(" ")
    cavities, of = int(count), material.strip() or None
    made = [one.material for one in tool.shares]
    if made and of not in made:
        raise Refused("cavities_of_what", tool=tool.tool, materials=", ".join(made), example=made[0])
    of = of if made else None
    held = next((one.cavities for one in tool.blocked if one.material == of), ZERO)
    if held == cavities:
        raise Refused("cavities_same", blocked=cavities)
    open_units = _of(work, of) + held
    if cavities > open_units:
        raise Refused("cavities_too_many", tool=tool.tool, units=number(open_units), blocked=cavities)
    signals.boundary(work)
    tools.block(work, tool, of, cavities)
    units = number(_units(work))
    return (
        say("cavities_blocked", blocked=cavities, units=units)
        if cavities
        else say("cavities_open", units=units)
    )


def replace_meter(work: Work, named: str) -> Text:
    """LSCMETER: a meter or counter was replaced; the value that comes next is a baseline."""
    names = [
        *work.settings.counters,
        *work.settings.meters,
        *(["energy"] if work.settings.signals.energy else []),
    ]
    name = next((one for one in names if one.upper() == named), None)
    if name is None:
        raise Refused("meter_unknown", counter=named, allowed=", ".join(names) or "-")
    signals.boundary(work)
    held = work.station.counters.get(name)
    work.emit(MeterReplaced, counter=name, from_=held.raw if held else None)
    kept = {one: live for one, live in work.live.counters.items() if one != name}
    work.live = replace(work.live, counters=kept)
    return say("meter_replaced", counter=name)


def _by_hand(work: Work) -> None:
    """Refuse a scan where the machine would overrule it at once."""
    if work.settings.signals.tool is not None and work.live.tool is not None:
        raise Refused("tool_by_machine")


def _mounted(work: Work) -> Tool:
    if work.station.tool is None:
        raise Refused("no_tool")
    return work.station.tool


def _fits(work: Work) -> Text:
    """Say it when the tool does not make what is being made."""
    job, tool = work.station.job, work.station.tool
    if job is None or job.provisional or tool is None:
        return Text("", "")
    if any(one.material == job.product for one in tool.shares):
        return Text("", "")
    return say("tool_other", product=job.product, order=job.work_order)


def _counter(work: Work) -> str | None:
    """The counter by which a stroke is shown: the first that the tool says the units of."""
    return next((name for name, one in work.settings.counters.items() if one.follows_tool), None)


def _units(work: Work) -> Decimal:
    """Units a stroke now, of all materials."""
    counter, tool = _counter(work), work.station.tool
    if counter is None:
        blocked = sum((one.cavities for one in tool.blocked), ZERO) if tool else ZERO
        return ((tool.units_per_count if tool else None) or Decimal(1)) - blocked
    return sharing.units_per_count(work, counter)


def _of(work: Work, material: str | None) -> Decimal:
    counter = _counter(work)
    if material is None or counter is None:
        return _units(work)
    return sharing.units_of(work, counter, material)


def _each(work: Work) -> list[tuple[str, str]]:
    tool = work.station.tool
    return [(one.material, number(_of(work, one.material))) for one in tool.shares] if tool else []
