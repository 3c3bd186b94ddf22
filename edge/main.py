"""The composition root: the only module that knows drivers, sync and pages at once.

`collect` is drivers, stations, journal and pages; `sync` is delivery and master data; `run` is both in one
process. They meet only in the files of `data_dir`.
"""

import asyncio
import errno
import logging
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import structlog
from msgspec.structs import replace

from drivers import registry as device_kinds
from edge import __version__, memory, schema, settings
from edge import alerts as alerting
from edge.alerts import Alert
from edge.calendar import Calendar
from edge.clock import SystemClock
from edge.collector import Collector
from edge.delivering import NOT_RUNNING, DeliveryWatch
from edge.devices import Absences
from edge.epochs import Epoch
from edge.faults import Damaged, Fault, RestartNeeded, SettingsFault, StorageFault
from edge.journal import Journal
from edge.lock import at_work
from edge.masterdata import folder
from edge.masterdata.store import MASTERDATA as MASTERDATA
from edge.opening import Ground, opened
from edge.ports import Clock
from edge.recovery import state_of
from edge.ring import SAMPLES
from edge.samples import Samples
from edge.settings import DeviceSettings, Part, Settings, Webhook
from edge.station.grammar import Grammar
from edge.station.work import Site
from edge.storage import DiskWatch, make_way
from edge.supervisor import Service, patience, supervise
from edge.timekeeper import JudgedClock
from edge.upkeep import Upkeep
from edge.watermarks import MIB
from edge.web.app import application, listen
from edge.web.delivery import STOPPED, Delivery, Receiver
from sync import registry as uplink_kinds
from sync.exposure import exposed
from sync.retention import done
from sync.service import JOURNAL as JOURNAL
from sync.service import STORE as STORE
from sync.service import Sync
from sync.status import Waiting as Waiting
from sync.status import load_alerts, load_forks, load_outbox, load_quarantine, load_quarantined, load_status
from sync.taken import load_taken as load_taken
from sync.usable import unusable

log = structlog.get_logger()

_STUCK_S = 10.0  # an actor that has not come round for so long is stuck


def load(path: Path | None) -> Settings:
    """The configuration at `path`, else at its usual place. Raises SettingsFault."""
    return settings.load(path or settings.DEFAULT_PATH, device_kinds.kinds(), uplink_kinds.KINDS)


def daemon(what: str, config: str | None) -> int:
    """Run `collect`, `sync` or both until told to stop. Returns the exit code."""
    configure_logs()
    import uvloop

    try:
        uvloop.run(_serve(what, load(Path(config) if config else None)))
    except SettingsFault as fault:
        print(fault, file=sys.stderr)
        return 2
    except Fault as fault:
        print(fault, file=sys.stderr)
        return 1
    except BaseExceptionGroup as group:
        ending = group.subgroup(RestartNeeded)
        if ending is None:
            raise
        print(*ending.exceptions, file=sys.stderr)
        return 1
    return 0


def configure_logs() -> None:
    """One line an occurrence, `key=value`, on standard error; journald adds the rest."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


async def _serve(what: str, loaded: Settings) -> None:
    clock = SystemClock()
    began_s = time.monotonic()

    def started() -> None:
        _started(what, loaded, began_s)

    if what == "collect":
        async with collecting(loaded, clock) as (services, alive):
            await supervise(services, alive, started)
    elif what == "sync":
        async with syncing(loaded, clock) as services:
            await supervise(services, started=started)
    else:
        async with collecting(loaded, clock) as (services, alive), syncing(loaded, clock) as more:
            await supervise([*services, *more], alive, started)
    log.info("stopped")


def _started(what: str, loaded: Settings, began_s: float) -> None:
    memory.settle()
    took_s = round(time.monotonic() - began_s, 3)
    log.info("started", what=what, version=__version__, edge=loaded.edge.id, start_s=took_s)


@asynccontextmanager
async def collecting(
    loaded: Settings, clock: Clock
) -> AsyncIterator[tuple[list[Service], Callable[[], bool]]]:
    """Drivers, stations, journal and pages, ready to be supervised; and whether they advance."""
    data_dir = ensured(loaded.edge.data_dir)
    edge = loaded.edge
    make_way(data_dir)
    async with _restored(loaded, clock, data_dir) as (journal, collector):
        devices = located_devices(loaded)
        drivers = {name: device_kinds.build(name, one, clock) for name, one in devices.items()}
        samples = Samples(data_dir / SAMPLES, loaded.storage.samples_mib * MIB, collector.alerts)
        collector.attach(drivers, samples if loaded.storage.samples_mib else None)
        disk = DiskWatch(data_dir, loaded.storage, collector, samples.allow)

        def alive() -> bool:
            return time.monotonic() - collector.came_round_s < _STUCK_S

        app = application(
            collector,
            language=edge.language,
            journal=data_dir / JOURNAL,
            delivery=lambda: delivery(data_dir, loaded),
            ready=lambda: collector.storage_fault is None,
            alive=alive,
        )
        upkeep = Upkeep(
            journal,
            JudgedClock(clock, collector.site.calendar, lambda: collector.line.wall),
            loaded.storage.keep_days,
            collector.alerts,
            lambda: collector.snapshot_seq,
            lambda found: done_with(data_dir, loaded, found),
            line=lambda: collector.line,
        )
        services = [
            Service("stations", collector.run),
            Service("upkeep", upkeep.run),
            Service("master-data", collector.masterdata.run),
            Service("disk", disk.run),
            Service("samples", samples.run),
            Service(
                "delivery", DeliveryWatch(data_dir / STORE, loaded.needs_sync, collector.alerts, clock).run
            ),
            Service("absences", Absences(loaded.devices, collector.links, collector.alerts, clock).run),
        ]
        for name, driver in drivers.items():
            services.append(Service(f"device-{name}", lambda driver=driver: driver.run(collector)))  # type: ignore[misc]
        listener = await listen(app, loaded.web.listen)
        try:
            log.info("pages", url=listener.url)
            yield services, alive
        finally:
            await listener.close()
            await collector.close()
            await samples.close()


@asynccontextmanager
async def _restored(
    loaded: Settings, clock: Clock, data_dir: Path
) -> AsyncIterator[tuple[Journal, Collector]]:
    """The journal and the stations as they stood. One that turns out to be damaged is begun anew."""
    known = settled(data_dir), forked(data_dir)
    ground = Ground(data_dir / JOURNAL, loaded.edge.site, loaded.edge.id, *known)
    for again in (True, False):
        async with patience():
            journal, notice = await opened(ground, clock, state_of)
        async with journal:
            collector = Collector(site_of(loaded), journal, clock, data_dir / MASTERDATA)
            try:
                async with patience():
                    await collector.restore()
            except Damaged as fault:
                journal.suspect(fault.message)
                if again:
                    continue
                raise
            if notice is not None:
                await collector.alerts.stand(notice.key, notice.text, notice.hint)
            yield journal, collector
            return


def replaced(loaded: Settings) -> str:
    """Begin the journal of a dead PC's successor; what was done, in words. Raises StorageFault."""
    path = ensured(loaded.edge.data_dir) / JOURNAL
    if path.exists():
        raise StorageFault(
            f"{path} is there already and was left as it is",
            hint="Nothing has to be replaced: a journal from another PC begins a new epoch by itself",
        )

    async def begin() -> str:
        ground = Ground(path, loaded.edge.site, loaded.edge.id, {}, replaces=True)
        journal, notice = await opened(ground, SystemClock(), state_of)
        async with journal:
            if notice is not None:
                at_ms = SystemClock().now().wall_ms
                await journal.note(alerting.RAISE, notice.key, notice.text, notice.hint, at_ms)
            return f"{path} begins, epoch {journal.epoch}: nothing that the PC before sent is sent again"

    return asyncio.run(begin())


def done_with(data_dir: Path, loaded: Settings, found: Sequence[Epoch]) -> Mapping[str, int]:
    """By epoch what every configured uplink is done with. Raises StorageFault."""
    store = data_dir / STORE
    return done(found, loaded.receivers, load_status(store).uplinks, load_quarantined(store))


def settled(data_dir: Path) -> dict[str, int]:
    """By epoch the furthest that a receiver has settled, as far as sync's file can be read."""
    found: dict[str, int] = {}
    with suppress(StorageFault):
        for one in load_status(data_dir / STORE).uplinks:
            found[one.epoch] = max(one.seq, found.get(one.epoch, 0))
    return found


def forked(data_dir: Path) -> dict[str, int]:
    """By epoch from where on a receiver holds other facts, as far as sync's file can be read."""
    with suppress(StorageFault):
        return load_forks(data_dir / STORE)
    return {}


@asynccontextmanager
async def syncing(loaded: Settings, clock: Clock) -> AsyncIterator[list[Service]]:
    """Uplinks and master data, ready to be supervised."""
    ensured(loaded.edge.data_dir)
    async with await Sync.open(loaded, clock) as sync:
        yield [Service(name, run) for name, run in sync.parts()]


def site_of(loaded: Settings) -> Site:
    """What stations need of the configuration."""
    calendar = Calendar(loaded.edge.zone, loaded.shifts, loaded.posting)
    grammar = Grammar(loaded.rules)
    return Site(
        loaded.edge.line,
        calendar,
        loaded.stations,
        loaded.pauses,
        loaded.checks,
        loaded.crew,
        grammar,
        loaded.review,
        loaded.consumption,
        loaded.reminders,
        loaded.edge.language,
    )


def sync_runs(loaded: Settings) -> bool:
    """Whether delivery runs, in a process of its own or in one with all. Raises StorageFault."""
    return at_work(loaded.edge.data_dir / STORE)


def delivery(data_dir: Path, loaded: Settings) -> Delivery:
    """What sync's file says of each receiver. What it says of being online is true while sync runs."""
    running = at_work(data_dir / STORE)
    status = load_status(data_dir / STORE)
    known = {one.uplink: one for one in status.uplinks}
    receivers = []
    for name in loaded.receivers:
        one = known.get(name)
        outbox = load_outbox(data_dir / JOURNAL, one.epoch if one else "", one.seq if one else 0)
        receiver = Receiver(
            name=name,
            online=one is not None and one.state in ("shipping", "idle"),
            state=one.state if one else "unknown",
            waiting=outbox.events,
            settled_through=one.seq if one else 0,
            posted=one.seq if one else 0,
            quarantined=one.waiting + one.held if one else 0,
            detail=one.detail if one else "",
            hint=one.hint if one else "",
        )
        receivers.append(receiver if running else _standing_still(receiver))
    return Delivery(tuple(receivers), running=running)


def _standing_still(one: Receiver) -> Receiver:
    """A receiver while sync does not run; what it said last, and what only a person ends, stays said."""
    state = one.state if one.state in STOPPED else "stopped"
    return replace(one, online=False, state=state, detail=one.detail or NOT_RUNNING)


def quarantine(data_dir: Path, uplink: str | None = None) -> list[Waiting]:
    """What receivers rejected or what waits behind it, oldest first. Raises StorageFault."""
    return load_quarantine(data_dir / STORE, uplink, limit=100_000)


def alerts(data_dir: Path, files: Sequence[str] = (JOURNAL, STORE)) -> list[Alert]:
    """What stands in collect's and in sync's files, newest first. Raises StorageFault."""
    found = [alert for name in files for alert in load_alerts(data_dir / name)]
    return sorted((alert for alert in found if alert.cleared_ms is None), key=lambda alert: -alert.raised_ms)


def located_devices(loaded: Settings) -> dict[str, DeviceSettings]:
    """Every device's settings, with absolute paths of its files."""
    folder = loaded.path.parent.absolute()
    given = os.environ.get("CREDENTIALS_DIRECTORY")
    secrets = Path(given) if given else None
    return {name: one.located(folder, secrets, loaded.edge.data_dir) for name, one in loaded.devices.items()}


def secret_problems(loaded: Settings) -> Iterator[str]:
    """Secret and certificate files that uplinks and devices name, and that cannot be read or used."""
    folder = loaded.path.parent.absolute()
    given = os.environ.get("CREDENTIALS_DIRECTORY")
    parts: dict[str, Part] = {f"devices.{name}": one for name, one in located_devices(loaded).items()}
    for name, uplink in loaded.uplinks.items():
        parts[f"uplinks.{name}"] = uplink.located(folder, Path(given) if given else None)
    for one in located_webhooks(loaded):
        parts[f"webhooks.{one.name}"] = one
    for place, located in parts.items():
        files = {key: value for key, value in located.model_dump().items() if key.endswith("_file") and value}
        unread = {key: value for key, value in files.items() if not _readable(Path(value))}
        for key, value in unread.items():
            yield f"{place}.{key}: {value} cannot be read. Put it there, a file readable by this user"
        if not unread:
            yield from (f"{place}: {fault}" for fault in unusable(located))


def _readable(path: Path) -> bool:
    return os.path.isfile(path) and os.access(path, os.R_OK)  # noqa: PTH113 `Path.is_file` may raise


def located_webhooks(loaded: Settings) -> list[Webhook]:
    """Every webhook's settings, with absolute paths of its files."""
    given = os.environ.get("CREDENTIALS_DIRECTORY")
    folder = loaded.path.parent.absolute()
    return [one.located(folder, Path(given) if given else None) for one in loaded.webhooks]


def exposures(loaded: Settings) -> Iterator[str]:
    """What would go over the network unencrypted, and what to do about it."""
    for place, exposure in exposed(loaded, located_webhooks(loaded)):
        yield f"{place} {exposure.text}. {exposure.hint}"


def newcomers(loaded: Settings) -> Iterator[str]:
    """Receivers that sync has never heard of while it knows others: new, or old ones under another name."""
    data_dir = loaded.edge.data_dir
    with suppress(StorageFault):  # whoever starts sync is told
        known = [one.uplink for one in load_status(data_dir / STORE).uplinks]
        gone = ", ".join(sorted(set(known) - set(loaded.receivers)))
        renamed = "If it is an old one renamed, give it its old name back" + (f" ({gone})" if gone else "")
        named = [(name, one) for uplink, one in loaded.uplinks.items() for name in one.receivers(uplink)]
        for name, uplink in named if known else ():
            if name in known:
                continue
            if getattr(uplink, "start", "oldest") == "head":
                yield f"uplinks.{name} is new: it begins at what comes next, not before it. {renamed}"
                continue
            facts = load_outbox(data_dir / JOURNAL, "", 0).events
            yield (
                f"uplinks.{name} is new: it begins at the oldest fact and will be sent {facts:,} facts, also"
                f' what was discarded for another. {renamed}, or set start = "head"'
            )


def webhook_problems(loaded: Settings) -> Iterator[str]:
    """What is wrong with the templates of webhooks, found by a sample."""
    if loaded.webhooks:
        from sync.webhooks.body import problems

        for one in located_webhooks(loaded):
            yield from (f"webhooks.{one.name}: {problem}" for problem in problems(one, loaded.edge))


def masterdata_problems(loaded: Settings) -> Iterator[str]:
    """What is wrong with the files of the folder that delivers master data."""
    if loaded.masterdata_folder is not None:
        try:
            folder.read(loaded.masterdata_folder)
        except folder.FolderInvalid as fault:
            yield from (f"masterdata.folder {loaded.masterdata_folder}: {one}" for one in fault.problems)


def ensured(data_dir: Path) -> Path:
    """The data folder, made where it is missing. Raises StorageFault."""
    try:
        data_dir.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageFault(
            f"edge.data_dir {data_dir} cannot be made: {error.strerror}",
            hint=schema.READ_ONLY
            if error.errno == errno.EROFS
            else "Create it and give it to this user, or point edge.data_dir elsewhere",
        ) from error
    if schema.on_read_only(data_dir):
        raise StorageFault(f"edge.data_dir {data_dir} is on a read-only file system", hint=schema.READ_ONLY)
    if not os.access(data_dir, os.W_OK | os.X_OK):
        raise StorageFault(
            f"edge.data_dir {data_dir} cannot be written by this user",
            hint=f"Give it and all in it to the user that lineside runs as: chown -R lineside {data_dir}",
        )
    journal = data_dir / JOURNAL
    if journal.is_symlink():
        target = journal.resolve()
        raise StorageFault(
            f"{journal} is a link to {target}, whose log SQLite keeps beside it, where nobody here looks for"
            " it. Nothing was opened",
            hint=f"Stop lineside and put {target} in the link's place, with {target}-wal, where it is there,"
            f" as {JOURNAL}-wal beside it. To keep data elsewhere, give another folder as edge.data_dir",
        )
    return data_dir


def data_problems(data_dir: Path) -> Iterator[str]:
    """What keeps this user from working in the data folder, which may not be there yet."""
    if os.path.lexists(data_dir):
        try:
            ensured(data_dir)
        except Fault as fault:
            yield str(fault)
            return
        named = [data_dir / name for name in (JOURNAL, STORE, MASTERDATA)]
        files = [one.with_name(one.name + end) for one in named for end in ("", "-wal", "-shm")]
        files += [one.with_suffix(".lock") for one in named]
        yield from (f"{one} is a folder. {schema.MOVED_AWAY}" for one in files if one.is_dir())
        theirs = [one.name for one in files if one.exists() and not os.access(one, os.R_OK | os.W_OK)]
        if theirs:
            yield (
                f"edge.data_dir {data_dir}: this user may not write {', '.join(theirs)}."
                f" Give all in it to the user that lineside runs as: chown -R lineside {data_dir}"
            )
        return
    above = next(one for one in data_dir.absolute().parents if os.path.exists(one))  # noqa: PTH110 no errors
    if schema.on_read_only(above):
        yield f"edge.data_dir {data_dir} cannot be made: {above} is read-only. {schema.READ_ONLY}"
    elif not (above.is_dir() and os.access(above, os.W_OK | os.X_OK)):
        yield (
            f"edge.data_dir {data_dir} is not there, or not to be seen, and this user cannot make it in"
            f" {above}. Create it and give it to the user that lineside runs as"
        )
