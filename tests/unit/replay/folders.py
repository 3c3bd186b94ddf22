"""Folders of situations, written by a test."""

from pathlib import Path

SITE = """
[edge]
id = "E1"
site = "s"
line = "L3"
timezone = "Europe/Berlin"
data_dir = "data"
[devices.press1]
driver = "modbus-tcp"
host = "192.168.10.21"
[devices.press1.tags]
cycles = { register = "holding", address = 100, type = "uint32" }
running = { register = "coil", address = 0 }
[devices.gun1]
driver = "scanner-serial"
port = "/dev/lineside/gun1"
[stations.OP20]
work_center = "WC-1"
scanners = ["gun1"]
[stations.OP20.counters.strokes]
tag = "press1.cycles"
[stations.OP20.signals]
running = "press1.running"
"""
MASTER = """{"work_orders": [{"work_order": "1", "product": "P", "quantity": "10", "unit": "C62",
 "operations": [{"operation": "0010", "work_center": "WC-1"}]}]}"""


def situation(folder: Path, inputs: str, **files: str) -> Path:
    """A folder with these inputs; `expected` and `totals` are its further files."""
    folder.mkdir(exist_ok=True)
    (folder / "lineside.toml").write_text(SITE, encoding="utf-8")
    (folder / "masterdata.json").write_text(MASTER, encoding="utf-8")
    (folder / "inputs.txt").write_text(inputs, encoding="utf-8")
    for name, text in files.items():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    return folder
