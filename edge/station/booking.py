"""What a report needs to be followed by what it causes: the present step, or a settlement's desk."""

from typing import TYPE_CHECKING, Any, Protocol

from edge.events import Fact, Origin
from edge.masterdata import MasterData
from edge.station.state import Job, Line, Station

if TYPE_CHECKING:
    from edge.station.work import Site


class Booking(Protocol):
    """Where facts are drafted, one after the other, at one station."""

    master: MasterData

    @property
    def site(self) -> "Site": ...

    @property
    def line(self) -> Line: ...

    @property
    def station(self) -> Station: ...

    def emit(
        self, fact: type[Fact], *, job: Job | None = None, origin: Origin = "scan", **fields: Any
    ) -> str:
        """Draft a fact and fold it in; returns its id."""
        ...
