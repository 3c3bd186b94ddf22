"""Modbus over TCP and serial lines: registers and coils, read in blocks. README.md is for the technician."""
