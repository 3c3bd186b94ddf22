"""Whether configured secrets and certificates can be used: loaded as delivery loads them, without network."""

import ssl
from collections.abc import Callable, Iterator

from edge.faults import UplinkFault
from edge.settings import Part, Webhook
from sync import tls
from sync.mqtt.settings import MqttSettings
from sync.secret import secret
from sync.settings import HttpSettings

_ASCII = ("token_file", "url_file", "secret_file")  # go into a header or an address as they are
_ANY = ("password_file", "client_secret_file", "proxy_password_file")
_TLS = ("ca_file", "cert_file", "key_file")


def unusable(part: Part) -> Iterator[UplinkFault]:
    """What is wrong with the files of an uplink or webhook, whose paths are absolute."""
    if isinstance(part, HttpSettings | MqttSettings | Webhook):
        for key in (*_ASCII, *_ANY):
            if (path := getattr(part, key, None)) is not None:
                yield from _tried(lambda path=path, key=key: secret(path, ascii_only=key in _ASCII))  # type: ignore[misc]
        if any(getattr(part, key, None) is not None for key in _TLS):
            yield from _tried(lambda: _context(part))


def _context(part: HttpSettings | MqttSettings | Webhook) -> object:
    match part:
        case HttpSettings():
            return tls.context(part)
        case MqttSettings():
            from sync.mqtt.connection import context  # brings paho with it

            return context(part)
    try:
        return ssl.create_default_context(cafile=part.ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise UplinkFault(
            f"ca_file {part.ca_file} cannot be used ({error})", hint="It must be a PEM file with certificates"
        ) from error


def _tried(load: Callable[[], object]) -> Iterator[UplinkFault]:
    try:
        load()
    except UplinkFault as fault:
        yield fault
