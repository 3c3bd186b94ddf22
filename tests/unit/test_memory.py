"""What a daemon carries in its memory for ever."""

import subprocess
import sys

import pytest

HEAVY = ("typer", "rich", "sqlalchemy", "asyncua", "paho", "edge.cli", "edge.demo")


@pytest.mark.parametrize("command", ["collect", "sync", "run"])
def test_a_daemon_loads_no_command_line_and_no_demo(command: str) -> None:
    # The configuration is missing: everything is imported, nothing is started.
    code = (
        f"import sys; sys.argv = ['lineside', {command!r}, '--config', '/nowhere.toml']\n"
        "from edge.__main__ import main\n"
        "try: main()\n"
        "except SystemExit as end: assert end.code == 2, end.code\n"
        f"print([name for name in {HEAVY!r} if sys.modules.get(name)])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert found.stdout.strip() == "[]", found.stderr
