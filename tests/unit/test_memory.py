"""What a daemon carries in its memory for ever."""

import subprocess
import sys

import pytest

HEAVY = ("typer", "rich", "sqlalchemy", "asyncua", "paho", "biip", "edge.cli", "edge.demo")


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


def test_plain_codes_need_no_library_and_the_first_gs1_code_loads_it() -> None:
    code = (
        "import sys\n"
        "from edge.readings import Moment, Scan\n"
        "from edge.station.grammar import DEFAULT\n"
        "def read(text): return DEFAULT.read(Scan('gun1', text, Moment(0, 0, 'b')))\n"
        "for text in ('LSE1042', 'LSQ12D5 KGM', '[)>\\x1e06\\x1dQ5\\x1e\\x04', '钢', 'A' * 500): read(text)\n"
        "print('biip' in sys.modules)\n"
        "read('0106901234567892')\n"
        "print('biip' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert found.stdout.split() == ["False", "True"], found.stderr
