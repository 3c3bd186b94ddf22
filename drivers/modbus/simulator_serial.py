"""Modbus RTU devices to try things on: real pymodbus slaves at the end of a pty pair behind a link.

`Cable` joins two ptys as an RS-485 line joins an adapter and its devices; `SerialPlc` is a `Plc` with a cable
of its own. `unplug` hangs the adapter's side up and takes the link away, as pulling a USB adapter does.
"""

import asyncio
import os
import tty
from pathlib import Path

from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import SimDevice

from drivers.modbus.simulator import Plc

_TRIES = 5


class Cable:
    """Two ptys joined: `link` is the adapter's, `far` the devices'. Each hears what is said on the other."""

    def __init__(self, link: Path | str) -> None:
        self.link = Path(link)
        self.far = ""
        self._descriptors: list[int] = []
        self._masters: list[int] = []

    def plug(self) -> None:
        """Make both ends and the link."""
        if self._descriptors:
            return
        for _ in range(2):
            master, slave = os.openpty()
            tty.setraw(slave)
            os.set_blocking(master, False)
            # The slave's side stays open, so that the line does not hang up while nobody listens.
            self._descriptors += [master, slave]
            self._masters.append(master)
        loop = asyncio.get_running_loop()
        for here, there in (self._masters, self._masters[::-1]):
            loop.add_reader(here, self._carry, here, there)
        self.far = os.ttyname(self._descriptors[3])
        self.link.parent.mkdir(parents=True, exist_ok=True)
        self.link.unlink(missing_ok=True)
        self.link.symlink_to(os.ttyname(self._descriptors[1]))

    def unplug(self) -> None:
        """Take both ends away."""
        for master in self._masters:
            asyncio.get_running_loop().remove_reader(master)
        for descriptor in reversed(self._descriptors):
            os.close(descriptor)
        if self._descriptors:
            self.link.unlink(missing_ok=True)
        self._descriptors, self._masters = [], []

    def _carry(self, here: int, there: int) -> None:
        try:
            os.write(there, os.read(here, 4096))
        except OSError:
            pass  # a line that nobody reads loses bytes


class SerialPlc(Plc):
    """A Plc that answers Modbus RTU on the far end of its cable, as `device_id` only."""

    def __init__(self, link: Path | str, **more: object) -> None:
        super().__init__(**more)  # type: ignore[arg-type]
        self.cable = Cable(link)
        self._serial: ModbusSerialServer | None = None

    async def power_on(self) -> None:
        """Plug in and answer from now on."""
        if self._serial is not None:
            return
        self._off = asyncio.Event()
        for tries_left in reversed(range(_TRIES)):
            self.cable.plug()
            server = self._slaves()
            try:
                await server.serve_forever(background=True)
            except RuntimeError:
                # The pty's number was just another process's, whose lock on it is not off yet.
                self.cable.unplug()
                if not tries_left:
                    raise
            else:
                self._serial = server
                return

    def _slaves(self) -> ModbusSerialServer:
        return ModbusSerialServer(
            SimDevice(self.device_id, self._simdata(), action=self._action),
            port=self.cable.far,
            ignore_missing_devices=True,
            trace_packet=lambda sending, packet: b"" if sending and self.fault == "silence" else packet,
        )

    async def power_off(self) -> None:
        """Unplug: the adapter's port is gone as well."""
        server, self._serial = self._serial, None
        self._off.set()
        if server is not None:
            await server.shutdown()  # type: ignore[no-untyped-call]
            await asyncio.sleep(0)
        self.cable.unplug()
