"""TLS towards a receiver: 1.2 or newer, its certificate verified. No setting turns this off."""

import ssl
from pathlib import Path

from edge.faults import UplinkFault
from sync.settings import HttpSettings

Stamp = tuple[tuple[str, int, int], ...]


def context(settings: HttpSettings) -> ssl.SSLContext:
    """Trusts the system's authorities or `ca_file`; shows our certificate, if any. Raises UplinkFault."""
    try:
        found = ssl.create_default_context(cafile=settings.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise UplinkFault(
            f"ca_file {settings.ca_file} cannot be used ({error})",
            hint="It must be a PEM file with certificates",
        ) from error
    found.minimum_version = ssl.TLSVersion.TLSv1_2  # whatever the system's OpenSSL configuration allows
    if settings.cert_file is not None and settings.key_file is not None:
        try:
            # Without a password of its own OpenSSL would ask the terminal for it, and wait.
            found.load_cert_chain(settings.cert_file, settings.key_file, password=lambda: "")
        except (OSError, ssl.SSLError) as error:
            raise UplinkFault(
                f"cert_file {settings.cert_file} with key_file {settings.key_file} cannot be used ({error})",
                hint="They must be PEM files that belong together; the key without a password, readable for"
                " this user only",
            ) from error
    return found


def stamp(settings: HttpSettings) -> Stamp:
    """Which files stand there now: a renewed certificate is another one."""
    found = []
    for path in (settings.ca_file, settings.cert_file, settings.key_file):
        if path is not None and Path(path).exists():
            there = Path(path).stat()
            found.append((path, there.st_mtime_ns, there.st_ino))
    return tuple(found)
