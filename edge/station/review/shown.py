"""The open list as the API, the command and the page show it: each entry with its evidence and a sentence."""

from typing import Any, Literal

from edge.events import Claim, MaterialConsumed, instant
from edge.station.review.settle import possible
from edge.station.review.waiting import Waiting
from edge.station.review.words import named, word
from edge.station.state import ZERO, JobKey, Line
from edge.station.texts import Text, unit
from edge.station.work import Site, number


def entries(site: Site, line: Line) -> list[dict[str, Any]]:
    """What waits, with its evidence."""
    return [_entry(one) for one in open_entries(site, line)]


def open_entries(site: Site, line: Line) -> list[Waiting]:
    """What waits, oldest first; time without an order from the site's limit on."""
    least_s = site.review.unassigned_s
    return [
        one
        for one in line.waiting.values()
        if one.kind != "time" or (one.quantity is not None and one.quantity >= least_s)
    ]


def jobs(line: Line) -> list[dict[str, Any]]:
    """The jobs that are open, with what is reported of them."""
    return [
        {
            "station": name,
            "job": _job(job.key),
            "state": "paused" if job.paused else job.phase,
            "operators": station.crew,
            "good": number(job.good),
            "scrap": number(job.scrap),
        }
        for name, station in line.stations.items()
        for job in station.jobs
    ]


def undated(line: Line) -> dict[str, Any] | None:
    """Facts that wait for a posting date, by their seqs: setting the clock right settles them."""
    wall = line.wall
    if wall.undated is None:
        return None
    first, last = wall.undated
    return {
        "from_seq": str(first),
        "to_seq": str(last),
        "texts": _texts(word("undated", first=first, last=last)),
    }


def _entry(one: Waiting) -> dict[str, Any]:
    evidence = {
        "counter": one.counter,
        "raw_from": _figure(one.raw_from),
        "raw_to": _figure(one.raw_to),
        "delta": _figure(one.delta),
        "doubt": one.doubt,
        "jumps": str(one.jumps) if one.jumps > 1 else None,
        "claims": "; ".join(map(_claimed, one.claims)) or None,
        "job": _job(one.job),
        "before": _job(one.before),
        "after": _job(one.after),
        "subject": one.subject,
        "category": one.category,
        "facts": one.ids,
    }
    return {
        "id": one.id,
        "kind": one.kind,
        "station": one.station,
        "from": instant(one.from_ms),
        "to": instant(one.to_ms),
        "quantity": _figure(one.quantity),
        "unit": one.unit,
        "evidence": {key: value for key, value in evidence.items() if value is not None},
        "words": _codes(one),
        "of": _subject(one),
        "possible": [way.__name__.lower() for way in possible(one)],
        "texts": _texts(sentence(one)),
    }


def _claimed(claim: Claim) -> str:
    """A part of a held movement: its order, how much of what, and that it is of a set-up."""
    order = f"{claim.work_order}/{claim.operation}" if claim.work_order else "-"
    said = (order, number(claim.quantity), claim.unit, claim.material)
    return " ".join(one for one in (*said, "setup" if claim.phase == "setup" else None) if one)


def sentence(one: Waiting) -> Text:
    """What waits, as a person reads it."""
    values = {
        "counter": one.counter,
        "raw_from": _figure(one.raw_from) or "?",
        "raw_to": _figure(one.raw_to) or "?",
        "quantity": _figure(one.quantity) or "?",
        "unit": unit(one.unit or "C62"),
        "subject": one.subject or "",
        "job": _job(one.job) or "-",
        "category": _category(one) or Text("", ""),
        "jumps": one.jumps,
        "minutes": _figure(round((one.quantity or ZERO) / 60, 1)) if one.kind == "time" else "",
    }
    return word(f"shows_{_sentence(one)}", **values)


def _sentence(one: Waiting) -> str:
    """Which sentence says it."""
    if one.kind == "check" and one.job is None:
        return "check_jobless"
    if one.kind == "held" and one.jumps > 1:
        return "jumps"
    return "measured" if one.kind == "count" and one.counts == "material" else one.kind


def _codes(one: Waiting) -> dict[str, dict[str, str]]:
    """The codes among the evidence, as a person reads them."""
    found = {"category": _category(one), "doubt": named("doubt", one.doubt) if one.doubt else None}
    return {name: _texts(text) for name, text in found.items() if text is not None}


def _category(one: Waiting) -> Text | None:
    """Why it waits, of a check or of time."""
    if one.category is None:
        return None
    return named("check" if one.kind == "check" else "time", one.category)


def _subject(one: Waiting) -> Literal["material", "time", "pieces", "nothing"]:
    """What a share of it is given as: a lot, seconds, pieces of a disposition; an order alone has none."""
    if one.kind == "lot" or one.type == MaterialConsumed.type:
        return "material"
    if one.kind == "provisional" or (one.kind == "check" and one.fact is None):
        return "nothing"
    return "time" if one.kind == "time" else "pieces"


def _figure(value: Any) -> str | None:
    return None if value is None else number(value)


def _job(key: JobKey | None) -> str | None:
    return "/".join(key) if key else None


def _texts(text: Text) -> dict[str, str]:
    return {"en": text.en, "zh": text.zh}
