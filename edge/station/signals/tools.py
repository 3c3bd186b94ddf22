"""The mounted tool: what one count brings. By a person's scan, or by a tag that names it."""

from decimal import Decimal

from msgspec.structs import replace

from edge.events import Blocked, Origin, ToolMounted, ToolShare, ToolUnmounted
from edge.masterdata import Tool as Known
from edge.readings import Quality, Reading
from edge.station.live import LiveTool, Said
from edge.station.signals.states import STEADY_MS
from edge.station.state import Tool
from edge.station.texts import say
from edge.station.work import Work

_LONGEST = 64


def mount(work: Work, tool: str, known: Known | None, origin: Origin = "scan") -> None:
    """Mount a tool with all cavities open; another one is taken off. The boundary is the caller's."""
    unmount(work, origin)
    shares = tuple(ToolShare(material=one.material, share=one.share) for one in known.shares) if known else ()
    units = known.units_per_count if known else None
    work.emit(ToolMounted, origin=origin, tool=tool, units_per_count=units, shares=shares)


def unmount(work: Work, origin: Origin = "scan") -> None:
    """Take the mounted tool off, if there is one."""
    if work.station.tool is not None:
        tool = work.station.tool
        work.emit(ToolUnmounted, origin=origin, tool=tool.tool, units_per_count=tool.units_per_count)


def block(work: Work, tool: Tool, material: str | None, cavities: int) -> None:
    """Say how many cavities give nothing from now on. The boundary is the caller's."""
    others = tuple(one for one in tool.blocked if one.material != material)
    now = (Blocked(material=material, cavities=Decimal(cavities)),) if cavities else ()
    work.emit(
        ToolMounted,
        tool=tool.tool,
        units_per_count=tool.units_per_count,
        shares=tool.shares,
        blocked=(*others, *now),
    )


def name(work: Work, reading: Reading) -> None:
    """Remember which tool the machine names; a device that is silent names none."""
    if reading.quality is not Quality.good or reading.value is None or isinstance(reading.value, bool):
        return
    value = reading.value
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    text = "".join(c for c in text if c.isprintable()).strip()[:_LONGEST]
    named = text if text not in ("", "0") else None
    if work.live.tool is None or work.live.tool.tool != named:
        work.live = replace(work.live, tool=LiveTool(named, work.now))


def changed(work: Work) -> LiveTool | None:
    """The tool that the machine has named for a second and that is not the mounted one."""
    named, mounted = work.live.tool, work.station.tool
    if named is None or named.tool == (mounted.tool if mounted else None):
        return None
    return named if work.now.since(named.since) >= STEADY_MS[True] else None


def follow(work: Work, named: LiveTool) -> None:
    """Mount what the machine names. One that the ERP does not know counts by the counter's setting."""
    if named.tool is None:
        unmount(work, "signal")
        return
    known = work.master.tools.get(named.tool)
    mount(work, named.tool, known, "signal")
    if known is None and work.master.document.tools is not None:
        said = Said("bad", say("tool_unknown_counted", tool=named.tool), work.now)
        work.live = replace(work.live, said=said)
