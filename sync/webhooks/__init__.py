"""Alerts over HTTP: who hears of what (`due`), in which words (`body`), by which call (`call`, `agent`)."""
