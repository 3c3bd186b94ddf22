"""What a device answers when it does not give what it was asked for, and what it means that it is silent."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from edge.faults import DeviceFault

MISFIT = 0  # no exception code: the answer was for something else than was asked
ILLEGAL_ADDRESS = 2
ILLEGAL_VALUE = 3
BUSY = (5, 6)

# Exception codes (Modbus Application Protocol V1.1b3, clause 7), worded for the person at the machine.
REASONS: Mapping[int, str] = MappingProxyType(
    {
        1: "illegal function: the device does not have this kind of register",
        2: "illegal data address: the device has no such register",
        3: "illegal data value: the device does not accept a request of this length",
        4: "device failure: the device could not carry out the request",
        5: "acknowledge: the device needs longer for the request",
        6: "device busy: the device is occupied with something else",
        8: "memory parity error: the device's memory is damaged",
        10: "gateway path unavailable: the gateway cannot reach its bus",
        11: "gateway target did not respond: the device behind the gateway is silent",
    }
)
BEHIND_GATEWAY = (10, 11)


@dataclass(frozen=True)
class Refusal:
    """The device answered a request with an exception, or with something else than was asked."""

    code: int  # exception code, or MISFIT
    reason: str

    @property
    def hint(self) -> str:
        """What a technician does about it."""
        if self.code <= ILLEGAL_VALUE:
            return "Compare register, address, type and device_id with the device's register list"
        return "Look at the device: its state, its own error display, and how often it is asked"


class Silent(DeviceFault):
    """The device let a request go unanswered; the connection to it may well be sound."""


def refused(code: int, device_id: int, at: str) -> Refusal:
    """An exception response as a refusal. Raises DeviceFault where it tells that the device is not there."""
    reason = REASONS.get(code, f"exception {code}")
    if code in BEHIND_GATEWAY:
        raise DeviceFault(
            f"no device {device_id} behind {at}: {reason}",
            hint="Check the device behind the gateway: its power, its bus cable, and device_id",
        )
    return Refusal(code, reason)
