"""PUBLISH as it stands on the wire (MQTT 5, 3.3): what paho's Properties would cost more than the rest of it.

Everything else of the protocol is paho's.
"""

from dataclasses import dataclass

# Identifiers of properties (2.2.2.2).
_FORMAT, _EXPIRY, _CONTENT_TYPE, _RESPONSE_TOPIC, _CORRELATION = 0x01, 0x02, 0x03, 0x08, 0x09
_SUBSCRIPTION, _USER = 0x0B, 0x26
_FIXED = {_FORMAT: 1, _EXPIRY: 4}  # bytes of a value
_COUNTED = (_CONTENT_TYPE, _RESPONSE_TOPIC, _CORRELATION)
_REPEATED = (_SUBSCRIPTION, _USER)  # may come more than once


@dataclass(frozen=True)
class Incoming:
    """A message as it came."""

    topic: str
    body: bytes
    qos: int
    mid: int
    answer_to: str | None  # Response Topic
    correlation: bytes | None


@dataclass(frozen=True)
class Outgoing:
    """A message to send."""

    topic: str
    body: bytes
    retain: bool = False
    content_type: str | None = "application/json"
    correlation: bytes | None = None

    @property
    def packet_bytes(self) -> int:
        """The size of its PUBLISH with QoS 1: what the broker's maximum is held against."""
        rest = 4 + len(self.topic.encode()) + len(Packed(self).pack()) + len(self.body)
        return 1 + (rest.bit_length() + 6) // 7 + rest


def incoming(head: int, packet: bytes) -> Incoming:
    """A PUBLISH by its first byte and what follows on its length. Raises ValueError, IndexError."""
    qos = head >> 1 & 3
    if qos > 1:
        raise ValueError(f"QoS {qos}, where at most 1 was asked for")
    topic, at = _counted_at(packet, 0)
    mid = 0
    if qos:
        mid, at = int.from_bytes(packet[at : at + 2], "big"), at + 2
    length, at = _number_at(packet, at)
    end = at + length
    if end > len(packet):
        raise ValueError("the properties are longer than the packet")
    found: dict[int, bytes] = {}
    while at < end:
        kind = packet[at]
        if kind in found and kind not in _REPEATED:
            raise ValueError(f"property {kind} comes twice")
        found[kind], at = _value_at(packet, at + 1, kind)
    if at != end:
        raise ValueError("a property is longer than the properties")
    to = found.get(_RESPONSE_TOPIC)
    answer_to = None if to is None else to.decode()
    return Incoming(topic.decode(), packet[end:], qos, mid, answer_to, found.get(_CORRELATION))


def _value_at(packet: bytes, at: int, kind: int) -> tuple[bytes, int]:
    """The value of a property, and where the next one begins."""
    if kind in _COUNTED:
        return _counted_at(packet, at)
    if kind == _USER:
        _, at = _counted_at(packet, at)
        return _counted_at(packet, at)
    end = _number_at(packet, at)[1] if kind == _SUBSCRIPTION else at + _FIXED.get(kind, 0)
    if end == at:  # a topic alias is not for us either: we allow none
        raise ValueError(f"property {kind} does not belong here")
    return packet[at:end], end


def _counted_at(packet: bytes, at: int) -> tuple[bytes, int]:
    """A string or bytes behind their length in two bytes, and where they end."""
    begin = at + 2
    end = begin + int.from_bytes(packet[at:begin], "big")
    if end > len(packet):
        raise ValueError("a string is longer than the packet")
    return packet[begin:end], end


def _number_at(packet: bytes, at: int) -> tuple[int, int]:
    """A variable byte integer (1.5.5), and where it ends."""
    found = 0
    for place in range(4):
        byte = packet[at + place]
        found |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return found, at + place + 1
    raise ValueError("a number of more than four bytes")


class Packed:
    """The properties of a PUBLISH to send, in the place of paho's."""

    def __init__(self, message: Outgoing) -> None:
        self._parts = b""
        if message.content_type is not None:
            self._parts += bytes((_FORMAT, 1, _CONTENT_TYPE)) + _counted(message.content_type.encode())
        if message.correlation is not None:
            self._parts += bytes((_CORRELATION,)) + _counted(message.correlation)

    def pack(self) -> bytes:
        """What paho asks for."""
        length, found = len(self._parts), bytearray()
        while length > 0x7F:
            found.append(length & 0x7F | 0x80)
            length >>= 7
        found.append(length)
        return bytes(found) + self._parts


def _counted(text: bytes) -> bytes:
    return len(text).to_bytes(2, "big") + text
