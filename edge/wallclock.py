"""The wall clock as the journal knows it: whether it can be right, and when it was set. Pure.

`Wall` is a fold over the facts. A step is a change of more than 0.5 s of the wall clock against the time
since boot: a leap second that the kernel sets is one, NTP's slewing is none, and nor is a suspended machine.

A clock cannot be right before 2025, for lineside is younger. Else one that NTP holds is believed. One that
nothing holds is believed unless it lies behind what the journal knows: within a boot behind the clock that
was first believed or last synchronised (so that a wrong step ahead can be taken back), after a boot behind
the last fact. Being behind by at most 15 minutes changes nothing while the posting date is the same. While
the clock is not believed, facts carry neither posting date nor production date nor shift.
"""

import msgspec
from msgspec.structs import replace

from edge.calendar import Calendar, Day
from edge.events import ClockStepped, Fact, Unknown
from edge.readings import ClockQuality, Moment

STEP_MS = 500
SMALL_MS = 15 * 60_000
EARLIEST_MS = 1_735_689_600_000  # 2025-01-01T00:00:00Z


class Wall(msgspec.Struct, frozen=True, kw_only=True):
    """What the facts so far say of the wall clock."""

    seq: int = 0  # of the last event
    boot_id: str | None = None  # of the last fact, like the next three
    offset_ms: int = 0  # wall clock minus time since boot
    last_ms: int = 0
    utc_offset: str | None = None
    since_seq: int = 1  # the first event of this boot under this offset
    stepped: bool = False  # set in this boot, and not synchronised since
    trusted_ms: int | None = None  # the offset that was first believed in this boot, or last synchronised
    believed_ms: int = 0  # the wall clock at the last fact under a clock that could be right
    believed_date: str | None = None  # the last posting date given by such a clock
    undated: tuple[int, int] | None = None  # first and last fact that wait for a posting date
    left: tuple[int, int] | None = None  # those of the journal before, which wait no longer
    doubtful_seq: int = (
        0  # the first fact dated by a clock that nothing held, since it was last set or synced
    )


def offset_ms(moment: Moment) -> int:
    """Wall clock minus time since boot: changes only when the clock is set."""
    return moment.wall_ms - moment.monotonic_ms


def judged(wall: Wall, now: Moment, calendar: Calendar) -> Moment:
    """The moment with what the journal knows of its clock: whether it can be right and whether it was set."""
    sound = _believed(wall, now, calendar)
    clock: ClockQuality = "unsynced"
    if now.clock == "synced" and sound:
        clock = "synced"
    elif wall.stepped and wall.boot_id == now.boot_id:
        clock = "stepped"
    return now if (clock, sound) == (now.clock, now.sound) else replace(now, clock=clock, sound=sound)


def dates(calendar: Calendar, now: Moment) -> Day:
    """The dates of a judged moment: unknown where its clock cannot be right."""
    day = calendar.day(now.wall_ms)
    return day if now.sound else Day(None, None, None, day.utc_offset)


def known_ms(wall: Wall, now: Moment) -> int:
    """What the journal knows of the time: it is at least so late."""
    if wall.trusted_ms is not None and wall.boot_id == now.boot_id:
        return wall.trusted_ms + now.monotonic_ms
    return wall.believed_ms


def ahead(wall: Wall, now: Moment, calendar: Calendar) -> bool:
    """Whether facts before this boot bear a later date than the clock, which NTP holds now."""
    if now.clock != "synced" or not now.sound or wall.boot_id in (None, now.boot_id):
        return False
    today = calendar.day(now.wall_ms).posting_date or ""
    return wall.believed_ms - now.wall_ms > STEP_MS and (wall.believed_date or "") > today


def _believed(wall: Wall, now: Moment, calendar: Calendar) -> bool:
    if now.wall_ms < EARLIEST_MS:
        return False
    known = known_ms(wall, now)
    behind_ms = known - now.wall_ms
    if now.clock == "synced" or behind_ms <= STEP_MS:
        return True
    same_date = calendar.day(known).posting_date == calendar.day(now.wall_ms).posting_date
    return behind_ms <= SMALL_MS and same_date


def sound(fact: Fact) -> bool:
    """Whether a fact was recorded under a clock that could be right."""
    return (fact.production_date if isinstance(fact, ClockStepped) else fact.posting_date) is not None


def after(wall: Wall, fact: Fact, at: Moment | None) -> Wall:
    """The wall clock after a fact; `at` is None for one without time since boot: the opening of a journal."""
    seq = wall.seq + 1
    if at is None:
        return replace(wall, seq=seq)
    if at.boot_id != wall.boot_id:
        wall = replace(
            wall, boot_id=at.boot_id, since_seq=seq, stepped=False, trusted_ms=None, doubtful_seq=0
        )
    elif wall.trusted_ms is not None and not isinstance(fact, ClockStepped):
        # What is no step is slewing: the clock that is trusted went along.
        wall = replace(wall, trusted_ms=wall.trusted_ms + offset_ms(at) - wall.offset_ms)
    wall = replace(
        wall,
        seq=seq,
        offset_ms=offset_ms(at),
        last_ms=at.wall_ms,
        utc_offset=fact.utc_offset or wall.utc_offset,
    )
    if at.clock == "synced":
        wall = replace(wall, stepped=False, trusted_ms=offset_ms(at), doubtful_seq=0)
    if isinstance(fact, ClockStepped):
        return _after_step(wall, fact, at)
    if not at.sound:
        known = not isinstance(fact, Unknown)
        return replace(wall, undated=(wall.undated[0] if wall.undated else seq, seq)) if known else wall
    return replace(
        wall,
        trusted_ms=offset_ms(at) if wall.trusted_ms is None else wall.trusted_ms,
        believed_ms=at.wall_ms,
        believed_date=fact.posting_date,
        doubtful_seq=0 if at.clock == "synced" else wall.doubtful_seq or seq,
    )


def _after_step(wall: Wall, fact: ClockStepped, at: Moment) -> Wall:
    if fact.offset_s:
        doubtful = 0 if at.sound else wall.doubtful_seq
        stepped = at.clock != "synced"
        wall = replace(wall, since_seq=wall.seq + 1, stepped=stepped, doubtful_seq=doubtful)
    if not at.sound:
        return wall
    through, undated = int(fact.to_seq or 0), wall.undated
    if undated is not None and through >= undated[0]:
        undated = (through + 1, undated[1]) if through < undated[1] else None
    return replace(wall, believed_ms=at.wall_ms, undated=undated)


def taken_over(wall: Wall) -> Wall:
    """The same after the first event of the journal that follows."""
    return replace(renumbered(wall, 0), seq=1, since_seq=2, left=wall.undated)


def renumbered(wall: Wall, seq: int) -> Wall:
    """The same before the first event of another journal: what it says of seqs is not this journal's."""
    if wall.seq == seq:
        return wall
    return replace(wall, seq=seq, since_seq=seq + 1, undated=None, doubtful_seq=0)
