"""RTU frames among the bytes of a serial line: which of them is the answer that is waited for.

Invariant:
- An adapter that gives back what it sends gives back fences too, and the answer to a fence looks like the
  fence: there it counts when it came twice. Whether the adapter does so, the reads tell.
"""

import asyncio
from dataclasses import dataclass

from pymodbus.framer import FramerRTU

DIAGNOSTICS = 8
EXCEPTION = 5  # bytes of an exception response: device, function, code, checksum
PLAIN = 3  # so many answers without an echo, and the adapter gives none


@dataclass
class Awaited:
    """The answer that is waited for."""

    beginning: bytes
    length: int
    refusing: bytes  # how a refusal begins
    refusals: int  # how many it takes: those of earlier requests come first
    request: bytes
    came: "asyncio.Future[bytes]"


class Ear:
    """Finds answers, and learns whether they come behind an echo of the request."""

    def __init__(self) -> None:
        self.echoes = False  # whether the adapter gives back what it sends
        self._plain = 0  # answers in a row that came without an echo

    def answer(self, awaited: Awaited, held: bytearray) -> bytes | None:
        """The answer among the bytes that came so far."""
        begin = self._begin(awaited, held)
        if begin is None:
            return None
        found = frames(held, awaited.beginning, awaited.length, begin)
        answer = found[0] if found else None
        if answer is None:
            refused = frames(held, awaited.refusing, EXCEPTION, begin)
            answer = refused[-1] if len(refused) >= awaited.refusals else None
        if answer is not None:
            # A spoilt echo leaves something before the answer, most often.
            self._plain = self._plain + 1 if len(held) == len(answer) else 0
            if self._plain >= PLAIN:
                self.echoes = False
        return answer

    def _begin(self, awaited: Awaited, held: bytearray) -> int | None:
        """From where on there may be an answer; None: nowhere yet."""
        echo = held.find(awaited.request)
        behind = echo + len(awaited.request)
        if awaited.request[1] == DIAGNOSTICS:
            if not self.echoes:
                return 0
            return behind if echo >= 0 else None
        if echo < 0:
            return 0
        self.echoes = True
        return behind


def framed(message: bytes) -> bytes:
    """A message with its checksum."""
    return message + FramerRTU.compute_CRC(message).to_bytes(2, "big")


def frames(held: bytearray, beginning: bytes, length: int, at: int = 0) -> list[bytes]:
    """The whole frames that begin so and whose checksums are right, noise around them or not."""
    found = []
    at = held.find(beginning, at)
    while at >= 0:
        frame = bytes(held[at : at + length])
        sound = len(frame) == length and framed(frame[:-2]) == frame
        if sound:
            found.append(frame)
        at = held.find(beginning, at + (length if sound else 1))
    return found
