"""The form in which a fact is stored and sent: numbered, and chained to the one before it."""

from collections.abc import Iterable
from hashlib import sha256
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from edge.events.facts import FACTS, Fact, Unknown
from edge.events.figures import instant


class Draft(msgspec.Struct, frozen=True):
    """A fact that the journal has not yet numbered."""

    id: str  # UUIDv7
    time_ms: int  # when it happened, UTC
    data: Fact


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A fact in its CloudEvents envelope."""

    specversion: Literal["1.0"] = "1.0"
    id: str
    source: str  # urn:lineside:<site>:<edge id>:<epoch>
    type: str  # lineside.<noun>.<past participle>.v1
    subject: str | UnsetType = UNSET  # <work order>/<operation>
    time: str  # when it happened, RFC 3339 UTC with ms
    sequence: str  # zero-padded to 20
    recordedtime: str  # just before its COMMIT
    chain: str | UnsetType = UNSET  # hex SHA-256
    data: Fact

    @property
    def seq(self) -> int:
        """The number in its journal, from 1."""
        return int(self.sequence)


class _Wire(Event, frozen=True, kw_only=True):
    data: msgspec.Raw  # type: ignore[assignment]


_NAMES = {fact: name for name, fact in FACTS.items()}
_encoder = msgspec.json.Encoder(order="sorted")
_wire_decoder = msgspec.json.Decoder(_Wire)
_decoders = {name: msgspec.json.Decoder(fact) for name, fact in FACTS.items()}
_unknown = msgspec.json.Decoder(Unknown)


def seal(draft: Draft, source: str, seq: int, recorded: str, previous_chain: str) -> tuple[Event, bytes]:
    """Number and chain a draft: the event and its stored form (canonical JSON, UTF-8)."""
    fact = draft.data
    event = Event(
        id=draft.id,
        source=source,
        type=_NAMES[type(fact)],
        subject=f"{fact.work_order}/{fact.operation}" if fact.work_order else UNSET,
        time=instant(draft.time_ms),
        sequence=f"{seq:020d}",
        recordedtime=recorded,
        data=fact,
    )
    canonical = _encoder.encode(event)
    chain = sha256(previous_chain.encode() + canonical).hexdigest()
    return event, b'{"chain":"' + chain.encode() + b'",' + canonical[1:]


_CHAIN_AT = len(b'{"chain":"')
_REST_AT = _CHAIN_AT + 64 + len(b'",')


def chain_of(body: bytes) -> str:
    """The `chain` attribute of a stored form."""
    return body[_CHAIN_AT : _CHAIN_AT + 64].decode("ascii", "replace")


def _digest(data: bytes) -> bytes:
    return sha256(data).hexdigest().encode()


def chains(body: bytes, previous_chain: str) -> bool:
    """Whether a stored form follows on the event whose chain is given (empty for the first)."""
    return (
        _digest(previous_chain.encode() + b"{" + body[_REST_AT:]) == body[_CHAIN_AT : _CHAIN_AT + 64]
        and body[:_CHAIN_AT] == b'{"chain":"'
        and body[_REST_AT - 2 : _REST_AT] == b'",'
    )


def first_broken(rows: Iterable[tuple[int, bytes]], seq: int, chain: str | None) -> int | None:
    """The seq of the first stored form that does not follow on the one before it; None where all do.

    `chain` is that of event `seq`, the one before the first; None where it is not known. What stands behind
    a gap in the numbers has nothing to follow on.
    """
    before = b"" if chain is None else chain.encode()
    known = chain is not None
    for number, body in rows:
        if known and number == seq + 1:
            before = sha256(b"{".join((before, body[_REST_AT:]))).hexdigest().encode()
            if body[:_REST_AT] != b'{"chain":"%b",' % before:
                return number
        else:
            before = body[_CHAIN_AT : _CHAIN_AT + 64]
        seq, known = number, True
    return None


def decode(body: bytes) -> Event:
    """An event from its stored or wire form. Raises msgspec.ValidationError or msgspec.DecodeError."""
    try:
        wire = _wire_decoder.decode(body)
        data = _decoders.get(wire.type, _unknown).decode(wire.data)
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(str(error)) from error
    if not wire.sequence.isdecimal():
        raise msgspec.ValidationError("its sequence is no number")
    values: dict[str, Any] = {name: getattr(wire, name) for name in Event.__struct_fields__}
    values["data"] = data
    return Event(**values)
