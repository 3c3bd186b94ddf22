"""How many events a call carries for a receiver that needs its time. Pure.

A receiver that does a call in one transaction and gives it up when we hang up takes nothing of a portion that
it cannot finish within the time-out, however often that is sent. So a portion that was late twice in a row is
halved, and again at each further time; what was delivered lets it grow. A size that failed is tried again
less and less often, for each try that fails costs a whole time-out. Where one event alone is late as well, it
is not for its size: a network that loses a fifth of the answers must not end in calls of one event.
"""

_LATE = 2  # calls in a row: one may have met a restart or a lossy network
_REST, _REST_MAX = 8, 64  # full portions between a size that failed and the next try


class Pace:
    """At most `events` a call."""

    def __init__(self, events_max: int) -> None:
        self.events = events_max
        self._max = events_max
        self._late = 0  # calls in a row
        self._taken = 0  # full portions since the size changed
        self._rest = 1  # full portions until it grows
        self._trying = False  # it has just grown

    def late(self, sent: int) -> bool:
        """A call of `sent` events was not done in time; whether portions are smaller now."""
        self._late += 1
        if self._late < _LATE:
            return False
        if sent == 1:
            self.events, self._rest, self._late = self._max, 1, 0
            self._taken, self._trying = 0, False
            return False
        if self._trying:
            self._rest = min(_REST_MAX, max(_REST, 2 * self._rest))
        before, self.events = self.events, max(1, min(self.events, sent) // 2)
        self._taken, self._trying = 0, False
        return self.events < before

    def done(self, sent: int) -> None:
        """A call of `sent` events was answered."""
        self._late = 0
        if sent < self.events:
            return  # which says nothing of a full one
        self._trying = False
        if self.events == self._max:
            self._rest = 1
            return
        self._taken += 1
        if self._taken >= self._rest:
            self.events, self._taken, self._trying = min(self._max, 2 * self.events), 0, True
