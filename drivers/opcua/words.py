"""OPC UA status codes (Part 4, 7.39.2) worded for the person at the machine, and faults made of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from asyncua import ua

from edge.faults import DeviceFault

# What a technician does about a code; what is not here gets the general hint.
_NODE = "Compare node or path with what `lineside opcua browse` shows"
_USER = "Check user and password_file, and the rights that the server gives this user"
_TRUST = (
    "Trust lineside's certificate on the server (own.der in pki_dir; often among the rejected ones in its "
    "configuration)"
)
_BUSY = "Disconnect other clients, or raise the server's limits"
_HINTS: Mapping[str, str] = MappingProxyType(
    {
        "BadNodeIdUnknown": _NODE,
        "BadNodeIdInvalid": _NODE,
        "BadNoMatch": _NODE,
        "BadBrowseNameInvalid": _NODE,
        "BadAttributeIdInvalid": f"This node has no value: it is a folder or an object. {_NODE}",
        "BadNotReadable": "Switch the node's read access on in the server's configuration",
        "BadUserAccessDenied": _USER,
        "BadIdentityTokenRejected": _USER,
        "BadIdentityTokenInvalid": _USER,
        "BadMonitoredItemFilterUnsupported": "Leave deadband out: the server has none for this node",
        "BadFilterNotAllowed": "Leave deadband out: only numbers can have one",
        "BadDeadbandFilterInvalid": "Leave deadband out, or choose another",
        "BadCertificateUntrusted": _TRUST,
        "BadSecurityChecksFailed": _TRUST,
        "BadCertificateUseNotAllowed": _TRUST,
        "BadCertificateUriInvalid": _TRUST,
        "BadCertificateTimeInvalid": "Compare the clocks of the server and of this machine",
        "BadSecurityPolicyRejected": "Check security and policy against the server's configuration",
        "BadTooManySessions": _BUSY,
        "BadTooManySubscriptions": _BUSY,
        "BadTooManyMonitoredItems": _BUSY,
        "BadTcpServerTooBusy": _BUSY,
        "BadTcpEndpointUrlInvalid": "Check endpoint: some servers want the path behind host and port as well",
    }
)
_GENERAL = "Look at the server: its state, its log, and its configuration"


@dataclass(frozen=True)
class Refusal:
    """Why the server does not give a tag's value."""

    reason: str
    hint: str


def refuses(code: int) -> bool:
    """Whether a status code is bad; an uncertain one comes with a value."""
    return code >> 31 == 1


def refusal(code: int) -> Refusal:
    """A status code in words."""
    status = ua.StatusCode(ua.UInt32(code))
    return Refusal(f"{status.name}: {status.doc}".rstrip(".: "), _HINTS.get(status.name, _GENERAL))


class Refused(DeviceFault):
    """The server answered an operation with a bad status code."""

    def __init__(self, operation: str, code: int, hint: str = "") -> None:
        told = refusal(code)
        super().__init__(f"{operation} was refused: {told.reason}", hint=hint or told.hint)
        self.code = code


class Garbled(DeviceFault):
    """The server's answer cannot be understood: going on with what it refers to would fail again."""
