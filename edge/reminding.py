"""Raises and clears what people at the stations are reminded of, as `edge/station/reminders.py` finds it."""

from collections.abc import Mapping

from edge.alerts import Alerts
from edge.masterdata import MasterData
from edge.readings import Moment
from edge.station.live import Live
from edge.station.reminders import PREFIX, Look, Reminder, Watch, look
from edge.station.state import Line
from edge.station.texts import Text
from edge.station.work import Site, Work


class Reminding:
    """Looks at all stations; what it saw before dies with the process, what stands does not."""

    def __init__(self, site: Site, alerts: Alerts) -> None:
        self._site = site
        self._alerts = alerts
        self._watches: dict[str, Watch] = {name: Watch() for name in site.stations}
        self._shown: dict[str, tuple[Text, ...]] = {}

    def shown(self, station: str) -> tuple[Text, ...]:
        """What the page of a station says."""
        return self._shown.get(station, ())

    async def look(self, line: Line, lives: Mapping[str, Live], master: MasterData, now: Moment) -> bool:
        """Raise what is due, clear what is over; whether a page shows anything else now.

        Raises MasterDataUnreadable.
        """
        looks = {name: self._look(name, line, lives[name], master, now) for name in self._site.stations}
        self._watches = {name: one.watch for name, one in looks.items()}
        shown = {name: tuple(map(_sentence, one.due.values())) for name, one in looks.items() if one.due}
        changed, self._shown = shown != self._shown, shown
        open_ = {key for one in looks.values() for key in one.open}
        for key in [key for key in self._alerts.standing if key.startswith(PREFIX) and key not in open_]:
            await self._alerts.clear(key)
        language = self._site.language
        for one in looks.values():
            for key, reminder in one.due.items():
                await self._alerts.stand(key, reminder.text.of(language), reminder.hint.of(language))
        return changed

    def _look(self, name: str, line: Line, live: Live, master: MasterData, now: Moment) -> Look:
        return look(Work(self._site, name, line, live, master, now, _no_id), self._watches[name])


def _sentence(reminder: Reminder) -> Text:
    return reminder.text + Text(". ", "。") + reminder.hint


def _no_id(_: int) -> str:
    raise AssertionError("a reminder makes no facts")
