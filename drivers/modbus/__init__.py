"""Modbus TCP: a PLC's registers and coils, read in blocks. README.md is for the person who connects one."""
