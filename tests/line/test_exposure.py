"""Whatever goes over the network unencrypted is loud: at start, in `lineside check`, in `lineside status`.

0.0.0.0 is no loopback address, and what is sent there stays on this machine all the same.
"""

import json
from pathlib import Path

from structlog.testing import capture_logs

from edge import main
from edge.clock import SystemClock
from edge.demo.plant import free_port
from sync.service import Sync
from tests.contract.mqtt.broker import BASE, needs_mosquitto, rigged
from tests.line.plant import Child, invoke, spawn

CONFIG = """
[edge]
id = "edge"
site = "site"
line = "L3"
timezone = "Asia/Shanghai"
data_dir = "data"

[stations.OP20]
work_center = "WC-PRESS-1"

[uplinks.erp]
kind = "http"
url = "{url}"
token_file = "token"

[uplinks.bus]
kind = "mqtt"
host = "{host}"
port = {port}
tls = false
consumers = ["mes"]
user = "lineside"
password_file = "password"

[uplinks.safe]
kind = "http"
url = "https://127.0.0.1:{port}/safe"
masterdata_interval_s = 0

[web]
listen = "127.0.0.1:{web}"
[sync]
listen = "127.0.0.1:{sync}"
"""
ERP = "goes to 0.0.0.0 over plain http: the token, every fact can be read"
BUS = "speaks to the broker 0.0.0.0 without TLS: user and password, every fact can be read"


def configured(folder: Path, host: str = "0.0.0.0", scheme: str = "http") -> Path:
    for name in ("token", "password"):
        (folder / name).write_text("s3cret")
    port, config = free_port(), folder / "lineside.toml"
    url = f"{scheme}://{host}:{port}/events"
    config.write_text(CONFIG.format(url=url, host=host, port=port, web=free_port(), sync=free_port()))
    return config


async def warned(config: Path) -> tuple[list[str], list[str]]:
    """Which alerts stand, and what was logged, once sync has opened its file."""
    loaded = main.load(config)
    main.ensured(loaded.edge.data_dir)
    with capture_logs() as logged:
        async with await Sync.open(loaded, SystemClock()):
            pass
    standing = [alert.key for alert in main.alerts(config.parent / "data")]
    return sorted(standing), [one["place"] for one in logged if one["event"] == "not encrypted"]


async def test_check_warns_and_says_what_to_do(tmp_path: Path) -> None:
    config = configured(tmp_path)
    code, out, _ = await invoke("check", "--config", config)
    assert code == 0
    for place, said in (("uplinks.erp", ERP), ("uplinks.bus", BUS)):
        (line,) = [line for line in out.splitlines() if line.startswith(f"! {place} ")]
        assert said in line and "ca_file" in line and "127.0.0.1" in line
    assert "! uplinks.safe" not in out
    code, out, _ = await invoke("check", "--config", config, "--json")
    assert [one.split()[0] for one in json.loads(out)["warnings"]] == ["uplinks.erp", "uplinks.bus"]
    code, out, _ = await invoke("check", "--config", configured(tmp_path, "127.0.0.1"), "--json")
    assert json.loads(out)["warnings"] == []


async def test_a_start_warns_and_status_shows_it(tmp_path: Path) -> None:
    config = configured(tmp_path)
    sync: Child = await spawn("sync", "--config", config, log=tmp_path / "sync.log")
    try:
        await sync.started()
        lines = [line for line in sync.log.splitlines() if 'event="not encrypted"' in line]
        assert [said in line for said, line in zip((ERP, BUS), lines, strict=True)] == [True, True]
        assert all("level=warning" in line for line in lines)
    finally:
        await sync.stop()
    assert "s3cret" not in sync.log
    _, out, _ = await invoke("status", "--config", config)
    text = " ".join(out.split())
    assert f"erp {ERP}" in text and f"bus {BUS}" in text and "Give url an https address" in text


async def test_the_alerts_stand_until_the_configuration_is_another_one(tmp_path: Path) -> None:
    both = ["uplink.bus.unencrypted", "uplink.erp.unencrypted"]
    config = configured(tmp_path)
    assert await warned(config) == (both, ["uplinks.erp", "uplinks.bus"])
    assert await warned(config) == (both, ["uplinks.erp", "uplinks.bus"])
    text = config.read_text()
    config.write_text(text.replace('token_file = "token"\n', ""))
    assert (await warned(config))[0] == both
    told = {alert.key: alert.text for alert in main.alerts(tmp_path / "data")}
    assert told["uplink.erp.unencrypted"].startswith("erp goes to 0.0.0.0 over plain http: every fact can")
    config.write_text(text.replace("http://", "https://"))
    assert await warned(config) == (both[:1], ["uplinks.bus"])
    config.write_text(text.replace("0.0.0.0", "127.0.0.1"))
    assert await warned(config) == ([], [])


@needs_mosquitto
async def test_lineside_pull_warns_too(tmp_path: Path) -> None:
    async with rigged(tmp_path, count=3) as rig:
        await rig.client()
        for host, warns in (("0.0.0.0", True), ("127.0.0.1", False)):
            code, _, err = await invoke(
                "pull", "--host", host, "--port", rig.broker.port, "--topic", BASE, "--consumer", "erp",
                "--database", f"sqlite:///{tmp_path}/erp.db", "--no-tls", "--once",
            )  # fmt: skip
            assert code == 0
            assert ("0.0.0.0 is spoken to without TLS: every fact can be read" in err) is warns
