"""What each shift came to at each station, summed from facts."""

from edge.shifts.book import Book, Place, Row
from edge.shifts.reading import Reading

__all__ = ["Book", "Place", "Reading", "Row"]
