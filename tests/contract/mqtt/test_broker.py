"""What the broker is told unasked, who may do what there, and how lineside gets in."""

import asyncio
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from edge.demo.plant import free_port
from sync.status import load_status
from tests.contract.mqtt.broker import (
    BASE,
    MOSQUITTO,
    Asking,
    Rig,
    needs_mosquitto,
    numbered,
    rigged,
)
from tests.contract.uplink.rig import facts

pytestmark = needs_mosquitto
needs_passwords = pytest.mark.skipif(
    MOSQUITTO is None or shutil.which("mosquitto_passwd") is None, reason="needs mosquitto_passwd"
)


def password_of(folder: Path, user: str, password: str) -> None:
    """Enter a user into the broker's file."""
    flags = ["-b"] if (folder / "passwords").exists() else ["-c", "-b"]
    subprocess.run(["mosquitto_passwd", *flags, folder / "passwords", user, password], check=True)


async def heard(rig: Rig, topic: str, **more: Any) -> Asking:
    found = await asyncio.to_thread(Asking, rig.broker.port, topic, **more)
    rig.asking.append(found)
    return found


async def said(client: Asking) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((await asyncio.to_thread(client.next)).payload)
    return found


async def until_state(rig: Rig, state: str) -> None:
    async with asyncio.timeout(60), rig.store.committed:
        while not any(one.state == state for one in load_status(rig.store.path).uplinks):
            await rig.store.committed.wait()


async def test_events_go_out_as_they_are_recorded_each_a_message(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.client()
        feed = await heard(rig, f"{BASE}/events")
        recorded = await rig.append(*facts(3, first=100))
        came = [await asyncio.to_thread(feed.next) for _ in range(3)]
        assert [json.loads(one.payload)["id"] for one in came] == recorded
        assert {one.properties.ContentType for one in came} == {"application/cloudevents+json"}


async def test_the_status_is_retained_and_the_will_says_that_we_are_gone(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        client = await rig.client()
        late = await heard(rig, f"{BASE}/status")
        now = await said(late)
        assert now["online"] is True and now["head"] == f"{rig.journal.epoch}:20" and now["version"]
        await rig.stop()  # in order
        assert (await said(late))["online"] is False
        rig.start()
        assert (await said(late))["online"] is True
        assert client is not None


async def test_alerts_go_out_when_raised_and_when_cleared(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.client()
        alerts = await heard(rig, f"{BASE}/alerts")
        await rig.store.raise_alert("disk", "The disk is full", "Free space", 7)
        raised = await said(alerts)
        assert (raised["key"], raised["raised_ms"], raised["cleared_ms"]) == ("disk", 7, None)
        await rig.store.clear_alert("disk", 8)
        assert (await said(alerts))["cleared_ms"] is not None


async def test_master_data_is_taken_whole_or_not_at_all(tmp_path: Path) -> None:
    async with rigged(tmp_path, masterdata=True) as rig:
        client = await rig.client()
        async with asyncio.timeout(60), rig.store.committed:
            client.publish(f"{BASE}/masterdata", {"people": [{"person": 7}]})
            await rig.store.committed.wait_for(lambda: "masterdata.bus.invalid" in rig.alerts())
            client.publish(f"{BASE}/masterdata", {"people": [{"person": "7", "badges": ["7"]}]})
            await rig.store.committed.wait_for(lambda: "masterdata.bus.invalid" not in rig.alerts())
        known = await rig.held.source("bus")
        assert known is not None and known.place == f"{BASE}/masterdata"


async def test_a_flood_of_one_consumer_leaves_the_other_served(tmp_path: Path) -> None:
    async with rigged(tmp_path, consumers=("erp", "mes"), requests_per_s=20) as rig:
        erp, mes = await rig.client(), await rig.client("mes")
        for _ in range(300):
            erp.publish(f"{BASE}/pull/erp", {})
        page = await rig.ask(mes, "pull", {}, "mes")
        assert numbered(page) == await rig.expected()
        assert erp.came.qsize() < 150  # most of the flood was let go of


@needs_passwords
async def test_the_access_list_of_the_documentation_keeps_consumers_apart(tmp_path: Path) -> None:
    text = Path("docs/mqtt.md").read_text(encoding="utf-8")
    acl = text.split("```acl\n")[1].split("```")[0]
    (tmp_path / "acl").write_text(acl)
    for user in ("lineside", "erp", "mes"):
        password_of(tmp_path, user, f"{user}-secret")
    (tmp_path / "password").write_text("lineside-secret\n")
    lines = (f"acl_file {tmp_path}/acl", f"password_file {tmp_path}/passwords", "allow_anonymous false")
    secrets = {"user": "lineside", "password_file": str(tmp_path / "password")}
    async with rigged(tmp_path, *lines, consumers=("erp", "mes"), **secrets) as rig:
        erp = await rig.client(user="erp", password="erp-secret")
        mes = await rig.client("mes", user="mes", password="mes-secret")
        erp.publish(f"{BASE}/ack/mes", {"upto": f"{rig.journal.epoch}:9"}, f"{BASE}/answer/mes", b"forged")
        page = await rig.ask(erp, "pull", {})
        assert numbered(page) == await rig.expected()
        await rig.ask(erp, "ack", {"upto": page["next"]})
        assert await rig.ask(mes, "ack", {}, "mes") == {"cursor": f"{rig.journal.epoch}:0"}
        assert (rig.status().seq, rig.status("mes").seq) == (20, 0)


@needs_passwords
async def test_a_wrong_password_pauses_and_is_named_never_shown(tmp_path: Path) -> None:
    password_of(tmp_path, "lineside", "right")
    (tmp_path / "password").write_text("planted-wrong-secret")
    lines = (f"password_file {tmp_path}/passwords", "allow_anonymous false")
    secrets = {"user": "lineside", "password_file": str(tmp_path / "password")}
    async with rigged(tmp_path, *lines, **secrets) as rig:
        await until_state(rig, "paused")
        status = rig.status()
        assert "refuses this account" in status.detail and "password_file" in status.hint
        assert "planted" not in repr(load_status(rig.store.path))
        assert "uplink.bus/erp.paused" in rig.alerts()
        (tmp_path / "password").write_text("right")  # read anew for each try
        await until_state(rig, "idle")
        assert "uplink.bus/erp.paused" not in rig.alerts()


def certificates(folder: Path) -> None:
    """ca, broker and client, as PEM files."""
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    made = ["openssl", "req", "-x509", *curve]
    subprocess.run(
        [*made, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority"],
        check=True, capture_output=True, cwd=folder,
    )  # fmt: skip
    for name in ("broker", "client"):
        subprocess.run(
            [*made, "-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", f"{name}.key", "-out", f"{name}.pem",
             "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1",
             "-addext", "basicConstraints=critical,CA:FALSE"],
            check=True, capture_output=True, cwd=folder,
        )  # fmt: skip


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make certificates")
@pytest.mark.parametrize(
    ("given", "state", "word"),
    [
        ({"ca_file": "ca.pem", "cert_file": "client.pem", "key_file": "client.key"}, "idle", ""),
        ({"ca_file": None, "cert_file": "client.pem", "key_file": "client.key"}, "backoff", "not trusted"),
        ({"ca_file": "ca.pem"}, "backoff", ""),
        ({"ca_file": "no-such.pem"}, "paused", "ca_file"),
    ],
    ids=["both certificates", "nobody vouches for the broker", "no certificate of ours", "no such file"],
)
async def test_tls_is_verified_on_both_sides(
    tmp_path: Path, given: dict[str, str | None], state: str, word: str
) -> None:
    certificates(tmp_path)
    lines = (
        f"cafile {tmp_path}/ca.pem", f"certfile {tmp_path}/broker.pem", f"keyfile {tmp_path}/broker.key",
        "require_certificate true", f"listener {(plain := free_port())} 127.0.0.1",
    )  # fmt: skip
    files = {key: name and str(tmp_path / name) for key, name in given.items()}
    async with rigged(tmp_path, *lines, tls=True, **files) as rig:
        await until_state(rig, state)
        status = rig.status()
        assert word in status.detail
        if state == "idle":
            rig.broker.port = plain
            page = await rig.ask(await rig.client(), "pull", {})
            assert numbered(page) == await rig.expected()
