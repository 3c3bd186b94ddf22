"""What asyncua raises, as faults that say what happened and what to do."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager

from asyncua.ua.uaerrors import UaError, UaStatusCodeError
from cryptography.exceptions import InvalidSignature

from drivers.opcua.settings import OpcUaSettings
from drivers.opcua.words import Garbled, Refused
from edge.faults import DeviceFault

# Where an answer is not what it should be: mostly whatever asyncua's parser ran into.
GARBLED = (
    struct.error,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    RecursionError,
    InvalidSignature,
)


@contextmanager
def told(operation: str, settings: OpcUaSettings, *, request: str = "") -> Iterator[None]:
    """What can go wrong within, as a DeviceFault; `request` is what a server refuses, else `operation`."""
    at = settings.address
    try:
        yield
    except UaStatusCodeError as error:
        raise Refused(request or operation, error.code) from error
    except UaError as error:
        raise Garbled(
            f"{operation}: {error or type(error).__name__}",
            hint="Check security, policy and user against what the server offers, and the server's log",
        ) from error
    except TimeoutError as error:
        raise DeviceFault(
            f"{operation}: no answer from {at} within {settings.timeout_s:g} s",
            hint="Check the server's power and network cable, endpoint, and whether it is overloaded",
        ) from error
    except ConnectionRefusedError as error:
        raise DeviceFault(
            f"{operation}: refused",
            hint="The address is in use but nothing listens there: check endpoint, and that the OPC UA "
            "server is switched on",
        ) from error
    except ConnectionError as error:
        raise DeviceFault(
            f"{at} closed the connection",
            hint="Check the server's power and network, and how many sessions it allows",
        ) from error
    except OSError as error:
        raise DeviceFault(
            f"{operation}: {error.strerror or error or type(error).__name__}",
            hint="Check the server's power, the network cable, and endpoint",
        ) from error
    except GARBLED as error:
        raise Garbled(
            f"{operation}: the answer cannot be understood ({type(error).__name__}: {error})",
            hint="Check that endpoint is an OPC UA server, and its version",
        ) from error
