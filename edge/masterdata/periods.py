"""Posting periods: a date that finance has locked becomes the first open one after it."""

from collections.abc import Collection
from datetime import date, timedelta

from edge.masterdata.records import Period


def open_date(periods: Collection[Period], day: str) -> str:
    """The day (YYYY-MM-DD) on which something of `day` is posted; one that no period holds is open."""
    while True:
        holding = [period for period in periods if period.from_ <= day <= period.to]
        if not holding or any(period.open for period in holding):
            return day
        last = max(period.to for period in holding)
        day = (date.fromisoformat(last) + timedelta(days=1)).isoformat()
