"""Drivers: one folder per kind of device. They know readings and scans, never events or the journal."""
