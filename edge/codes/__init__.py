"""Codes: what stands in them (GS1, ISO/IEC 15434, symbology identifiers), and patterns that tell them apart.

Pure, and below drivers and stations: a driver refuses what lost its separators, a station reads the rest.
"""
