"""Barcode scanners on a serial line or USB in serial mode. README.md is for the person who connects one."""
