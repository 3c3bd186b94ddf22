"""What was decided about facts in quarantine and what still can be, in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from edge import main
from edge.settings import Settings
from sync.decided import last_decision, load_decided
from sync.settlement import Decision
from sync.status import load_entries

SHORT = 8  # characters of an id's end that are shown
_SYNC = "lineside sync acts on it when it runs"


@dataclass(frozen=True)
class Quarantine:
    """All that waits, and what was decided on it that delivery has not read yet."""

    settings: Settings
    found: Sequence[main.Waiting]
    decided: Mapping[tuple[str, str], Decision]

    @classmethod
    def load(cls, loaded: Settings) -> "Quarantine":
        """As it stands. Raises StorageFault."""
        data_dir = loaded.edge.data_dir
        found = main.quarantine(data_dir)
        decided = load_decided(data_dir / main.STORE, data_dir / main.JOURNAL, found)
        return cls(loaded, found, decided)

    def named(self, ending: str) -> list[main.Waiting]:
        """The entries of facts whose ids end so, settled ones too."""
        return load_entries(self.settings.edge.data_dir / main.STORE, ending)

    def on(self, one: main.Waiting) -> Decision | None:
        """What was decided on it and is not carried out yet."""
        return self.decided.get((one.uplink, one.id))

    def open_to(self, how: str, one: main.Waiting) -> bool:
        """Whether it waits for such a decision: what is to be offered again may still be discarded."""
        before = self.on(one)
        return one.state == "waiting" and (before is None or (how, before.how) == ("discard", "retried"))

    def state(self, one: main.Waiting) -> str:
        """Its state in a word or two."""
        before = self.on(one)
        return one.state if before is None else f"{one.state}, {before.how}"

    def told(self, one: main.Waiting) -> str:
        """Its state as a sentence, with what to do."""
        if (before := self.on(one)) is not None:
            done = "is to be offered again" if before.how == "retried" else "is discarded"
            return f"{done} {self._by(before)}: {_SYNC}"
        match one.state:
            case "held":
                return f"is kept back behind {self._ahead(one)}; it follows by itself once that is settled"
            case "retrying":
                return "is released and goes out again with the next call"
            case "settled" if one.how == "discarded":
                who = last_decision(self.settings.edge.data_dir / main.JOURNAL, one.id)
                return f"was discarded {self._by(who) if who else ''}".rstrip() + ": it is not offered again"
            case "settled":
                return "was released and is posted now"
        return "is rejected: retry or discard it"

    def _ahead(self, held: main.Waiting) -> str:
        """What of its work order is in its way."""
        for one in self.found:
            if (one.uplink, one.work_order) == (held.uplink, held.work_order) and one.state != "held":
                what = "rejected" if one.state == "waiting" else "to be offered again"
                return f"{one.id[-SHORT:]} (seq {one.seq}, {what}) of its work order"
        return "a rejected fact of its work order"

    def _by(self, decided: Decision) -> str:
        at = datetime.fromtimestamp(decided.at_ms / 1000, UTC).astimezone(self.settings.edge.zone)
        note = f' ("{decided.note}")' if decided.note else ""
        return f"by {decided.person} at {at:%Y-%m-%d %H:%M}{note}"
