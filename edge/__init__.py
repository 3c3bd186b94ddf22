"""The collector: facts, journal, stations, pages and their composition."""

__version__ = "0.1.0"
