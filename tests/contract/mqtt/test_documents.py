"""docs/mqtt.md, pasted: its commands run against a real mosquitto and lineside, and show what it shows.

Which epoch, ids and times there are differs from run to run; which lines, keys and types there are does not.
"""

import asyncio
import json
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from edge.demo.plant import free_port
from tests.contract.mqtt.broker import BASE, needs_mosquitto
from tests.contract.mqtt.shapes import shape
from tests.patience import PATIENCE_S

pytestmark = [
    needs_mosquitto,
    pytest.mark.skipif(shutil.which("mosquitto_rr") is None, reason="needs Debian's mosquitto-clients"),
]
ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "mqtt.md").read_text(encoding="utf-8")
COMMANDS = ("broker", "run", "scan", "watch", "pull", "ack", "ask")


def block(kind: str, name: str) -> str:
    """A block of the page, named by the comment before it."""
    (found,) = re.findall(rf"<!-- {kind}: {name} -->\n```[a-z]+\n(.*?)```", PAGE, re.DOTALL)
    return str(found).rstrip("\n")


def lines(text: str) -> list[tuple[str, Any]]:
    """Each line as its words and the form of the JSON at its end, where it has any."""
    found = [re.fullmatch(r"(.*?)(\{.*\})?", line) for line in text.splitlines()]
    return [(one[1], shape(json.loads(one[2])) if one[2] else None) for one in found if one]


class Terminals:
    """Where commands of the page are pasted: all in one folder, at ports of this test's own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port()
        self.epoch = "0123456789abcdef"
        self._running: list[asyncio.subprocess.Process] = []

    def own(self, text: str) -> str:
        """A block of the page with this test's port and journal."""
        mine = re.sub(r"(-p |port = )1883\b", rf"\g<1>{self.port}", text)
        mine = re.sub(r"^lineside\b", f"{sys.executable} -m edge", mine, flags=re.MULTILINE)
        return mine.replace("0123456789abcdef", self.epoch)

    async def open(self, name: str) -> asyncio.subprocess.Process:
        """A command that goes on; ended with the test."""
        process = await self._spawn(f"exec {self.own(block('transcript', name))}")
        self._running.append(process)
        return process

    async def paste(self, name: str) -> str:
        """What the command says until it ends."""
        process = await self._spawn(self.own(block("transcript", name)))
        async with asyncio.timeout(PATIENCE_S):
            said, _ = await process.communicate()
        assert process.returncode == 0, said.decode()
        return said.decode().rstrip("\n")

    async def _spawn(self, command: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_shell(
            command,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=self._folder,
            env={
                **os.environ,
                "PATH": f"{os.environ['PATH']}:/usr/sbin",
                "PYTHONPATH": str(ROOT),
                "COLUMNS": "120",
                "NO_COLOR": "1",
            },
        )

    async def close(self) -> None:
        for process in reversed(self._running):
            if process.returncode is None:
                process.terminate()
            async with asyncio.timeout(PATIENCE_S):
                await process.communicate()


async def read(process: asyncio.subprocess.Process, until: str) -> list[str]:
    """Lines of a command that goes on, through the first that holds a text."""
    assert process.stdout is not None
    found: list[str] = []
    async with asyncio.timeout(PATIENCE_S):
        while not found or until not in found[-1]:
            line = await process.stdout.readline()
            assert line, found
            found.append(line.decode().rstrip("\n"))
    return found


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Terminals]:
    """Broker and lineside of the page."""
    terminals = Terminals(folder)
    configuration = terminals.own(block("transcript", "line.toml"))
    pages = "".join(f'\n[{name}]\nlisten = "127.0.0.1:{free_port()}"\n' for name in ("web", "sync"))
    (folder / "line.toml").write_text(configuration + pages, encoding="utf-8")
    try:
        await read(await terminals.open("broker"), " running")
        await read(await terminals.open("run"), "event=started")
        yield terminals
    finally:
        await terminals.close()


def test_every_command_of_the_page_is_named() -> None:
    named = re.findall(r"<!-- transcript: (\S+) -->", PAGE)
    assert named == ["line.toml", *COMMANDS]
    assert re.findall(r"<!-- shown: (\S+) -->", PAGE) == ["scan", "watch", "ask"]
    # `lineside pull` at the end of the page has a test of its own, in tests/line/test_pull.py.
    assert PAGE.count("```sh\n") == len(COMMANDS) + 1


async def test_the_transcripts_show_what_they_show_when_pasted(tmp_path: Path) -> None:
    async with opened(tmp_path) as terminals:
        assert await terminals.paste("scan") == block("shown", "scan")
        watching = await terminals.open("watch")
        seen = await read(watching, f"{BASE}/status ")
        assert await terminals.paste("pull") == ""
        seen += await read(watching, f"{BASE}/answer/erp ")
        page = json.loads(seen[-1].partition(" ")[2])
        terminals.epoch = page["next"].partition(":")[0]
        assert await terminals.paste("ack") == ""
        seen += await read(watching, f"{BASE}/answer/erp ")
        assert json.loads(seen[-1].partition(" ")[2]) == {"cursor": page["next"]}
        seen = [
            line for line in seen if not line.startswith(f"{BASE}/events ")
        ]  # they may still be going out
        assert lines("\n".join(seen)) == lines(block("shown", "watch"))
        asked = await terminals.paste("ask")
        assert lines(asked) == lines(block("shown", "ask"))
        assert [event["data"]["operator"] for event in json.loads(asked)["events"]] == ["1043"]
