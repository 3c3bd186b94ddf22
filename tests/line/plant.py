"""A line for a test: press, gun and ERP in the test, `lineside` as real child processes."""

import asyncio
import os
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import aiohttp
from click.testing import Result
from typer.testing import CliRunner

from drivers.barcode.simulator import Gun
from drivers.modbus.simulator import Press
from edge.cli.app import app
from edge.cli.common import err, out
from edge.demo.endpoint import MASTERDATA, Endpoint
from edge.demo.plant import LINE, free_port
from edge.events import Event, decode
from edge.ports import Verdict
from tests.patience import PATIENCE_S

GUN_ANSWERS = 'event="device answers" device=gun1'
ROOT = Path(__file__).parents[2]


async def until(reached: Callable[[], object], what: str, within_s: float = PATIENCE_S) -> None:
    """Wait for what another process does."""
    deadline = time.monotonic() + within_s
    while True:
        found = reached()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return
        assert time.monotonic() < deadline, f"{what} did not come within {within_s} s"
        await asyncio.sleep(0.02)


class Child:
    """A `lineside` process with its log."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def code(self) -> int | None:
        return self._process.returncode

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    async def started(self) -> None:
        """Wait for READY's place in the log."""
        await self.says("started")

    async def says(self, text: str) -> None:
        await until(lambda: text in self.log or self.code is not None, f"{text!r} in {self._log.name}")
        assert text in self.log, f"ended with {self.code}: {self.log}"

    async def ended(self, within_s: float = PATIENCE_S) -> int:
        return await asyncio.wait_for(self._process.wait(), within_s)

    async def stop(self, within_s: float = PATIENCE_S) -> int:
        """SIGTERM; the exit code."""
        if self.code is None:
            self._process.terminate()
        return await self.ended(within_s)

    async def kill(self) -> None:
        """SIGKILL."""
        if self.code is None:
            self._process.send_signal(signal.SIGKILL)
        await self.ended()


def _unprivileged() -> tuple[str, ...]:
    """What makes a command obey file modes even where the tests run as root."""
    return ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()


async def spawn(
    *arguments: object, log: Path, plain_user: bool = False, module: Sequence[str] = ("edge",)
) -> Child:
    """`lineside <arguments>`; standard output and error go to `log`. `module` is what `python -m` runs."""
    prefix = _unprivileged() if plain_user else ()
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *prefix, sys.executable, "-m", *module, *map(str, arguments), stdin=asyncio.subprocess.DEVNULL,
            stdout=output, stderr=output, cwd=ROOT, start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    return Child(process, log)


async def command(
    *arguments: object, within_s: float = PATIENCE_S, plain_user: bool = False, columns: int = 200
) -> tuple[int, str, str]:
    """Run a `lineside` command to its end: exit code, standard output, standard error."""
    prefix = _unprivileged() if plain_user else ()
    process = await asyncio.create_subprocess_exec(
        *prefix, sys.executable, "-m", "edge", *map(str, arguments), stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=ROOT,
        env={**os.environ, "COLUMNS": str(columns), "NO_COLOR": "1", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    try:
        told, complained = await asyncio.wait_for(process.communicate(), within_s)
    except BaseException:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    assert b"Traceback" not in complained, complained.decode()
    assert b"Traceback" not in told, told.decode()
    return process.returncode, told.decode(), complained.decode()


async def invoke(*arguments: object) -> tuple[int, str, str]:
    """The same within this process, which is quicker; not for the daemons, which set up logging."""

    def run() -> Result:
        out.width = err.width = 200
        return CliRunner().invoke(app, [str(one) for one in arguments])

    found = await asyncio.to_thread(run)  # the commands have an event loop of their own
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise AssertionError(f"a traceback: {found.exception!r}") from found.exception
    return found.exit_code, found.stdout, found.stderr


class Line:
    """What a test works with."""

    def __init__(self, folder: Path, press: Press, gun: Gun, erp: Endpoint) -> None:
        self.folder = folder
        self.press = press
        self.gun = gun
        self.erp = erp
        self.web_port, self.sync_port = free_port(), free_port()
        self.config = folder / "lineside.toml"
        self.children: dict[str, Child] = {}
        self.module: Sequence[str] = ("edge",)  # what its processes run; a test may put a machine around it
        self._last = ""
        self._last_s = 0.0

    def configure(self, **changes: str) -> None:
        """Write the demo's configuration with texts replaced."""
        text = LINE.read_text(encoding="utf-8")
        values = {
            "press_port": self.press.port, "gun_port": self.gun.link, "erp_url": self.erp.url,
            "web_port": self.web_port, "sync_port": self.sync_port,
        }  # fmt: skip
        for name, value in values.items():
            text = text.replace(f"@{name}@", str(value))
        text = text.replace("backoff_max_s = 2.0", "backoff_max_s = 0.3")
        text = text.replace("masterdata_interval_s = 5.0", "masterdata_interval_s = 0.5")
        for old, new in changes.items():
            assert old in text, old
            text = text.replace(old, new)
        self.config.write_text(text, encoding="utf-8")

    @property
    def journal(self) -> Path:
        return self.folder / "data" / "journal.db"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.web_port}"

    async def start(self, what: str, *, plain_user: bool = False, wait: bool = True) -> Child:
        log = self.folder / f"{what}.log"
        if what not in self.children or self.children[what].code is not None:
            log.unlink(missing_ok=True)
        child = await spawn(what, "--config", self.config, log=log, plain_user=plain_user, module=self.module)
        self.children[what] = child
        if wait:
            await child.started()
        return child

    @property
    def hears(self) -> bool:
        """Whether the collector listens to the gun: what is scanned while it opens the port is let go."""
        return GUN_ANSWERS in self.children["collect"].log

    async def scan(self, text: str, within_s: float = PATIENCE_S) -> Verdict:
        """Scan and hear the verdict."""
        if text == self._last and time.monotonic() - self._last_s < 2.1:
            await asyncio.sleep(2.1)
        self._last, self._last_s = text, time.monotonic()
        self.gun.heard = b""
        await self.gun.scan(text)
        return await self.gun.verdict(within_s)

    async def scans(self, *texts: str) -> None:
        """Scan codes that are all to be good."""
        for text in texts:
            assert await self.scan(text) == "good", (text, (await self.screen())["message"])

    async def sign_on(self) -> None:
        """The first scan: the collector may not have opened the gun yet."""

        async def signed_on() -> bool:
            try:
                return await self.scan("LSE1042", 1.0) == "good"
            except TimeoutError:
                return False

        await until(signed_on, "the first good beep")

    async def masterdata(self) -> None:
        """Wait until the stations know the orders."""

        def taken() -> bool:
            return "master data taken up" in self.children["collect"].log

        await until(taken, "master data")

    def events(self) -> list[Event]:
        """The journal as it stands."""
        with closing(sqlite3.connect(f"file:{self.journal}?mode=ro", uri=True)) as db:
            db.text_factory = bytes
            return [decode(body) for (body,) in db.execute("SELECT body FROM events ORDER BY seq")]

    def head(self) -> int:
        if not self.journal.exists():
            return 0
        with closing(sqlite3.connect(f"file:{self.journal}?mode=ro", uri=True)) as db:
            try:
                return int(db.execute("SELECT ifnull(max(seq), 0) FROM events").fetchone()[0])
            except sqlite3.OperationalError:
                return 0

    async def posted(self) -> None:
        """Wait until the ERP holds everything that is in the journal now."""
        head = self.head()

        async def all_there() -> bool:
            return (
                sum(source.last_seq for source in await self.erp.ledger.run(self.erp.ledger.sources)) >= head
            )

        await until(all_there, f"event {head} at the ERP")

    async def at_erp(self) -> list[tuple[str, int, str]]:
        """Id, seq and status of everything the ERP holds, by seq."""
        rows = await self.erp.ledger.run(lambda: list(self.erp.ledger.rows("ORDER BY seq")))
        return [(row.id, row.seq, row.status) for row in rows]

    async def screen(self) -> dict[str, Any]:
        """The operator page's content."""
        return await self.get("/api/v1/stations/OP20")

    async def get(self, path: str) -> dict[str, Any]:
        async with aiohttp.ClientSession() as session, session.get(self.url + path) as answer:
            found: dict[str, Any] = await answer.json(content_type=None)
            return found

    async def typed(self, text: str, station: str = "OP20") -> tuple[int, dict[str, Any]]:
        """A scan through the local API."""
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.url}/api/v1/stations/{station}/scan", json={"text": text}) as answer,
        ):
            return answer.status, await answer.json(content_type=None)

    async def sheet(self, order: str) -> dict[str, Any]:
        """The ERP's cost sheet of a work order."""
        url = f"{self.erp.pages_url}/orders/{order}.json"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            found: dict[str, Any] = await answer.json()
            return found


@asynccontextmanager
async def line(
    folder: Path, *, masterdata: bytes | None = None, first_count: int = 1000, cycle_s: float = 1.0
) -> AsyncIterator[Line]:
    """A configured line; nothing of lineside runs yet. Every child ends with the block, without Traceback."""
    (folder / "masterdata.json").write_bytes(MASTERDATA.read_bytes() if masterdata is None else masterdata)
    (folder / "erp-token").write_text("t0ken")
    async with AsyncExitStack() as stack:
        erp = await stack.enter_async_context(
            Endpoint(folder / "erp.db", folder / "masterdata.json", token="t0ken")
        )
        press = await stack.enter_async_context(Press(first_count=first_count, cycle_s=cycle_s))
        gun = await stack.enter_async_context(Gun(folder / "gun1"))
        found = Line(folder, press, gun, erp)
        found.configure()
        try:
            yield found
        finally:
            for child in found.children.values():
                if child.code is None:
                    await _ended(child)
            for child in found.children.values():
                assert "Traceback" not in child.log, child.log


async def _ended(child: Child) -> None:
    try:
        await child.stop()
    except TimeoutError:
        await child.kill()
        raise


def facts(events: Sequence[Event], *types: str) -> list[Event]:
    """The events of the given types."""
    return [one for one in events if one.type.removeprefix("lineside.").removesuffix(".v1") in types]
