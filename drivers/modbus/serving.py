"""Tags that are polled together: their requests, smaller ones where the device wants that, and its refusals.

Invariants:
- What the device was found to want is kept at once and for as long as the process lives, whatever happens to
  the connection; it is said once.
- A request is divided when it is refused, when its answers keep having another length (some devices answer so
  for registers they do not have), or when it was never answered, and only if the device does answer one for a
  single tag of it: a device that refuses everything while it starts is not asked in pieces for ever after.
  What was read as a whole before is divided for its length and addresses only.
- A request that cannot be divided and is refused stays, its tags bad.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

import structlog

from drivers.modbus.answers import BUSY, ILLEGAL_ADDRESS, ILLEGAL_VALUE, MISFIT, Refusal, Silent
from drivers.modbus.decoding import Decode, decoder
from drivers.modbus.plan import Block, alone, split
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
    read: bool = False  # whether it was ever answered with what was asked for
    misfits: int = 0  # how many answers in a row did not fit
    tried: int = 0  # how often one of the tags between the first and the last was asked for alone


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
                if _its_extent(part, answer) and await _answered_in_part(part, ask):
                    self._divide(len(answers), answer.reason)
                    continue
                refused += 1
            else:
                part.read = True
                if part.misfits:
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
            await ask(alone(part.block))
        except Silent:
            raise silence from None
        self._divide(index, "no answer to a request of this length")

    def _divide(self, index: int, reason: str) -> None:
        block = self.served[index].block
        halves = split(block)
        assert halves is not None
        self.served[index : index + 1] = [self._serving(half) for half in halves]
        if not self._divided:
            self._divided = True
            log.info("device wants smaller requests", device=self._device, request=str(block), reason=reason)

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


def _its_extent(part: Served, refusal: Refusal) -> bool:
    """Whether it may be for its length or its addresses that a request is refused, and it can be divided."""
    if refusal.code == MISFIT:
        meant = part.misfits >= MISFITS
    elif part.read:
        meant = refusal.code in (ILLEGAL_ADDRESS, ILLEGAL_VALUE)
    else:
        meant = refusal.code not in BUSY  # some devices refuse a gap as a function they lack or a failure
    return meant and split(part.block) is not None


async def _answered_in_part(part: Served, ask: Ask) -> bool:
    """Whether the device answers for one of the tags: the first, the last, or another one each time."""
    count = len(part.block.tags)
    indices = [0, count - 1]
    if count > 2:
        indices.append(1 + part.tried % (count - 2))
        part.tried += 1
    for index in indices:
        try:
            if not isinstance(await ask(alone(part.block, index)), Refusal):
                return True
        except Silent:
            return False  # it did answer the whole: this is no device that was lost
    return False


def _names(blocks: Sequence[Block]) -> list[str]:
    return [name for block in blocks for name, _ in block.tags]
