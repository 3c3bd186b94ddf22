"""Tags that are polled together: their requests, smaller ones where the device wants that, and its refusals.

Invariants:
- What the device was found to want is kept at once and for as long as the process lives, whatever happens to
  the connection; it is said once.
- A request is divided when it is refused as too long or for an address, when its answers keep having another
  length (some devices answer so for registers they do not have), and when it was never answered while one for
  a single tag is. It is never divided for silence alone.
- A request that cannot be divided and is refused stays, its tags bad.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

import structlog

from drivers.modbus.answers import ILLEGAL_ADDRESS, ILLEGAL_VALUE, MISFIT, Refusal, Silent
from drivers.modbus.decoding import Decode, decoder
from drivers.modbus.plan import Block, first_tag, split
from drivers.modbus.settings import Order

log = structlog.get_logger()

MISFITS = 3  # a single answer that does not fit may be the line's doing

Ask = Callable[[Block], Awaitable[bytes | Refusal]]


@dataclass
class Served:
    """A request with all that serving it takes."""

    block: Block
    decode: Decode
    heads: tuple[tuple[str, str | None], ...]  # name and unit of each tag
    proven: bool = False  # whether it was ever answered
    misfits: int = 0  # how many answers in a row did not fit


class Group:
    """The requests of the tags that share a poll interval."""

    def __init__(
        self, device: str, interval_s: float, blocks: Iterable[Block], byte_order: Order, word_order: Order
    ) -> None:
        self.interval_s = interval_s
        self.due = 0.0  # loop time of the next poll; the driver's
        self.refused: dict[Block, Refusal] = {}
        self._device = device
        self._orders = byte_order, word_order
        self._divided = False
        self.served = [self._serving(block) for block in blocks]

    async def read(self, ask: Ask) -> list[bytes | Refusal]:
        """An answer to each of `served`, which may change meanwhile. Raises DeviceFault."""
        answers: list[bytes | Refusal] = []
        refused = 0
        while len(answers) < len(self.served):
            part = self.served[len(answers)]
            try:
                answer = await ask(part.block)
            except Silent as silence:
                await self._shorter(len(answers), ask, silence)
                continue
            if not part.proven:
                part.proven = True
            if isinstance(answer, Refusal):
                part.misfits = part.misfits + 1 if answer.code == MISFIT else 0
                wanted = answer.code in (ILLEGAL_ADDRESS, ILLEGAL_VALUE) or part.misfits >= MISFITS
                if wanted and self._divide(len(answers), answer.reason):
                    continue
                refused += 1
            elif part.misfits:
                part.misfits = 0
            answers.append(answer)
        if refused or self.refused:
            self._note(answers)
        return answers

    async def _shorter(self, index: int, ask: Ask, silence: Silent) -> None:
        """Divide a request if it may be its length that the device is silent to. Raises Silent."""
        part = self.served[index]
        if part.proven or split(part.block) is None:
            raise silence
        try:
            await ask(first_tag(part.block))
        except Silent:
            raise silence from None
        self._divide(index, "no answer to a request of this length")

    def _divide(self, index: int, reason: str) -> bool:
        block = self.served[index].block
        halves = split(block)
        if halves is None:
            return False
        self.served[index : index + 1] = [self._serving(half) for half in halves]
        if not self._divided:
            self._divided = True
            log.info("device wants smaller requests", device=self._device, request=str(block), reason=reason)
        return True

    def _serving(self, block: Block) -> Served:
        heads = tuple((name, tag.unit) for name, tag in block.tags)
        return Served(block, decoder(block, *self._orders), heads)

    def _note(self, answers: Sequence[bytes | Refusal]) -> None:
        """Log what is refused from now on, once, and what no longer is, once."""
        refused = {p.block: a for p, a in zip(self.served, answers, strict=True) if isinstance(a, Refusal)}
        before, self.refused = self.refused, refused
        begun = [block for block in refused if block not in before]
        ended = [block for block in before if block not in refused]
        if begun:
            log.warning(
                "device refuses tags",
                device=self._device,
                tags=_names(begun),
                requests=[str(block) for block in begun],
                reason=refused[begun[0]].reason,
                hint=refused[begun[0]].hint,
            )
        if ended:
            log.info("device no longer refuses tags", device=self._device, tags=_names(ended))


def _names(blocks: Sequence[Block]) -> list[str]:
    return [name for block in blocks for name, _ in block.tags]
