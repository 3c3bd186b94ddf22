"""Situations of the shop floor: folders that people write, played through the collector on another clock.

A folder holds `situation.md` (what happens and why the result must be so), `inputs.txt`, and, where a result
is expected, `expected.txt` and `totals.txt`; `lineside.toml` and `masterdata.json` are its own or the nearest
ones above it. docs/situations.md says how each is written.
"""
