"""Whatever goes over the network unencrypted is said loudly: in the log at each start, and by an alert that
stands until the configuration is another one.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import aiosqlite
import structlog

from edge import alerts
from edge.settings import Exposure, Settings, Webhook, is_loopback
from sync.secret import SecretFault, secret
from sync.store import Store

_log = structlog.get_logger("lineside.sync")
_STANDING = (
    "SELECT key, text FROM alerts WHERE cleared_ms IS NULL"
    " AND (key GLOB 'uplink.*.unencrypted' OR key GLOB 'webhook.*.unencrypted')"
)


def exposed(settings: Settings, webhooks: Iterable[Webhook]) -> Iterator[tuple[str, Exposure]]:
    """What is not encrypted, by its place in the configuration. `webhooks` have absolute paths."""
    for name, uplink in settings.uplinks.items():
        if (found := uplink.exposure) is not None:
            yield f"uplinks.{name}", found
    for webhook in webhooks:
        if (found := _of(webhook)) is not None:
            yield f"webhooks.{webhook.name}", found


async def settle(store: Store, found: Iterable[tuple[str, Exposure]], at_ms: int) -> None:
    """At the start: log each, raise an alert of each, and clear what is true no more. Raises StorageFault."""
    said = {}
    for place, exposure in found:
        _log.warning("not encrypted", place=place, detail=exposure.text, hint=exposure.hint)
        kind, _, name = place.partition(".")
        said[f"{kind.removesuffix('s')}.{name}.unencrypted"] = f"{name} {exposure.text}", exposure.hint

    async def work(connection: aiosqlite.Connection) -> None:
        for key, text in list(await connection.execute_fetchall(_STANDING)):
            if said.get(key, ("",))[0] != text:
                await connection.execute(alerts.CLEAR, (at_ms, key))
        for key, (text, hint) in said.items():
            await alerts.stand(connection, key, text, hint, at_ms)

    await store.transact(work)


def _of(webhook: Webhook) -> Exposure | None:
    url = webhook.url or ""
    with suppress(SecretFault):  # it is not there yet: whoever calls says so
        url = url or secret(webhook.url_file or "")
    with suppress(ValueError):  # no address: the same
        parts = urlsplit(url)
        if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            secrets = {"its secret address": webhook.url_file, "the token": webhook.token_file}
            return Exposure(
                f"goes to {parts.hostname} over plain http",
                (*(name for name, given in secrets.items() if given is not None), "every alert"),
                "Give it an https address (a private authority's certificate: ca_file)",
            )
    return None
