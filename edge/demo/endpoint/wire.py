"""From the bytes of a call to its events: encodings, sizes, JSON.

A body is never unpacked beyond its limit, so that a small call cannot fill the memory.
"""

import json
import zlib
from collections.abc import Callable, Collection
from typing import Any

import zstandard

from edge.demo.endpoint.problems import Refused

BATCH_TYPE = "application/cloudevents-batch+json"
_WINDOW_BYTES = 8 << 20  # RFC 8878, 3.1.1.1.2: what every decoder supports


def unpack(body: bytes, encoding: str, limit_bytes: int, accepted: Collection[str]) -> bytes:
    """The body without its Content-Encoding. Raises Refused: 415, 413, 400."""
    if encoding not in accepted:
        raise Refused(
            415,
            "Unsupported content encoding",
            f"Content-Encoding {encoding} is not accepted here; send {', '.join(sorted(accepted))}.",
            Accept_Encoding=", ".join(sorted(accepted)),
        )
    plain = _UNPACK[encoding](body, limit_bytes + 1)
    if len(plain) > limit_bytes:
        raise Refused(
            413, "Too large", f"At most {limit_bytes} bytes a call, before compression; send fewer events."
        )
    return plain


def _gzip(body: bytes, limit_bytes: int) -> bytes:
    reader = zlib.decompressobj(wbits=31)
    try:
        plain = reader.decompress(body, limit_bytes)
    except zlib.error as error:
        raise Refused(400, "Unreadable body", f"The body is not gzip: {error}.") from error
    if len(plain) < limit_bytes and (not reader.eof or reader.unused_data):
        raise Refused(400, "Unreadable body", "The gzip body is cut off or carries more than one part.")
    return plain


def _zstd(body: bytes, limit_bytes: int) -> bytes:
    reader = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES).stream_reader(body)
    try:
        return bytes(reader.read(limit_bytes))
    except zstandard.ZstdError as error:
        raise Refused(400, "Unreadable body", f"The body is not zstd: {error}.") from error


_UNPACK: dict[str, Callable[[bytes, int], bytes]] = {
    "identity": lambda body, _: body,
    "gzip": _gzip,
    "zstd": _zstd,
}


def events_of(plain: bytes, limit_events: int) -> list[dict[str, Any]]:
    """The objects of a batch, each with a text id. Raises Refused: 400, 413."""
    try:
        batch = json.loads(plain, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise _malformed(f"The body is no JSON: {error}") from error
    if not isinstance(batch, list):
        raise _malformed("The body is no JSON array of events")
    if len(batch) > limit_events:
        raise Refused(413, "Too many events", f"At most {limit_events} events a call; send fewer.")
    for place, event in enumerate(batch):
        if not (isinstance(event, dict) and isinstance(event.get("id"), str) and _storable(event["id"])):
            raise _malformed(f"Element {place} is no event with an id")
    return batch


def _malformed(what: str) -> Refused:
    return Refused(400, "Malformed body", f"{what}. Nothing was recorded; send a JSON array of events.")


def _storable(text: str) -> bool:
    return 0 < len(text) <= 128 and text.isprintable() and text.isascii()


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
