"""The endpoint as a server that can be cut off and come back on the same port, with everything it held."""

import asyncio
from pathlib import Path
from types import TracebackType

from aiohttp import web

from edge.demo.endpoint.app import EVENTS, Options, application
from edge.demo.endpoint.ledger import Ledger
from edge.demo.endpoint.masterfile import MasterFile

MASTERDATA = Path(__file__).parent.parent / "masterdata.json"
_GRACE_S = 0.2  # a cut network waits for no one
_TURNS = 3  # of the event loop, until the runner knows of a connection that was accepted just now


class Endpoint:
    """`async with Endpoint(db) as endpoint: endpoint.url`. Port 0 takes a free one, which it then keeps."""

    def __init__(
        self,
        db_path: Path,
        masterdata_path: Path = MASTERDATA,
        *,
        token: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        options: Options | None = None,
    ) -> None:
        self.ledger = Ledger(db_path)
        self.masterdata = MasterFile(masterdata_path)
        self._options = options or Options(token=token)
        self._host = host
        self._port = port
        self._open: tuple[web.AppRunner, asyncio.Server] | None = None

    @property
    def pages_url(self) -> str:
        """Where a person looks: `/`, `/orders/<work order>`; no slash at the end."""
        return f"http://{self._host}:{self._port}"

    @property
    def url(self) -> str:
        """Where lineside posts to: an uplink's `url`."""
        return self.pages_url + EVENTS

    @property
    def listening(self) -> bool:
        """Whether connections are taken."""
        return self._open is not None

    async def cut(self) -> None:
        """Stop listening and drop every connection: connection refused from now on. Twice is harmless."""
        open_, self._open = self._open, None
        if open_ is None:
            return
        runner, server = open_
        loop = asyncio.get_running_loop()
        for one in server.sockets:
            loop.remove_reader(one.fileno())
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        server.close()
        await runner.cleanup()

    async def restore(self) -> None:
        """Listen again on the same port. Raises OSError where it was taken meanwhile."""
        if self._open is not None:
            return
        app = application(self.ledger, self.masterdata, self._options)
        runner = web.AppRunner(app, auto_decompress=False, access_log=None, shutdown_timeout=_GRACE_S)
        await runner.setup()
        try:
            assert runner.server is not None
            server = await asyncio.get_running_loop().create_server(runner.server, self._host, self._port)
        except BaseException:
            await runner.cleanup()
            raise
        self._open, self._port = (runner, server), server.sockets[0].getsockname()[1]

    async def __aenter__(self) -> "Endpoint":
        try:
            await self.restore()
        except BaseException:
            self.ledger.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.cut()
        self.ledger.close()
