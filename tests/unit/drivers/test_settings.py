"""A wrong configuration is refused in words that say what is allowed; a right one needs little."""

import subprocess
import sys
from pathlib import Path

import pytest

from drivers.barcode.framing import Framer, LineFramer, MarkedFramer, SilenceFramer
from drivers.barcode.settings import PRESETS, ScannerSettings, ssi
from drivers.modbus.settings import ModbusSettings, RtuSettings
from drivers.registry import KINDS, build
from edge.faults import SettingsFault
from edge.settings import Settings, load
from tests.contract.observing import TestClock

EDGE = """
[edge]
id = "L3-IPC1"
site = "suzhou"
line = "L3"
timezone = "Asia/Shanghai"
"""

LINE = """
[devices.press1]
driver = "modbus-tcp"
host = "192.168.10.21"
port = 502
device_id = 1
poll_interval_s = 1.0
[devices.press1.tags]
cycles  = { register = "holding", address = 100, type = "uint32" }
running = { register = "coil", address = 0 }
energy  = { register = "input", address = 20, type = "float32", unit = "kWh" }

[devices.gun1]
driver = "scanner-serial"
port = "/dev/lineside/gun1"
baudrate = 9600
feedback = "honeywell"

[stations.OP20]
work_center = "WC-PRESS-1"
scanners = ["gun1"]
[stations.OP20.counters.good]
tag = "press1.cycles"
"""


def loaded(tmp_path: Path, devices: str) -> Settings:
    path = tmp_path / "lineside.toml"
    path.write_text(EDGE + devices, encoding="utf-8")
    return load(path, KINDS, {})


def problems(tmp_path: Path, devices: str) -> str:
    with pytest.raises(SettingsFault) as caught:
        loaded(tmp_path, devices)
    return "\n".join(caught.value.problems)


def modbus(tags: str, more: str = "") -> str:
    return f'[devices.p]\ndriver = "modbus-tcp"\nhost = "10.0.0.1"\n{more}\n[devices.p.tags]\n{tags}'


def rtu(more: str) -> str:
    tags = 'n = { register = "holding", address = 1 }'
    return f'[devices.p]\ndriver = "modbus-rtu"\nport = "/dev/ttyS1"\n{more}\n[devices.p.tags]\n{tags}'


def scanner(more: str) -> str:
    return f'[devices.g]\ndriver = "scanner-serial"\nport = "/dev/ttyS0"\n{more}'


def test_the_documented_line_is_accepted_and_built(tmp_path: Path) -> None:
    settings = loaded(tmp_path, LINE)
    assert settings.devices["press1"].tag_names == {"cycles", "running", "energy"}
    for name, device in settings.devices.items():
        assert build(name, device, TestClock()).name == name


def test_defaults_are_those_of_the_documentation(tmp_path: Path) -> None:
    press = loaded(tmp_path, modbus('n = { register = "holding", address = 1 }')).devices["p"]
    gun = loaded(tmp_path, scanner("")).devices["g"]
    assert isinstance(press, ModbusSettings)
    assert isinstance(gun, ScannerSettings)
    assert (press.port, press.device_id, press.timeout_s, press.retries) == (502, 1, 1.0, 1)
    assert press.tags["n"].kind == "uint16"
    assert (gun.baudrate, gun.bytesize, gun.parity, gun.stopbits) == (9600, 8, "none", 1)
    assert (gun.feedback.good, gun.feedback.bad) == (b"", b"")


@pytest.mark.parametrize(
    ("tag", "words"),
    [
        ('{ register = "holdin", address = 1 }', ["tags.n.register = 'holdin'", "'holding', 'input'"]),
        ('{ register = "holding" }', ["devices.p.tags.n.address is missing"]),
        ('{ register = "holding", address = 40001, typ = "int16" }', ["n.typ", "did you mean type?"]),
        ('{ register = "holding", address = 70000 }', ["n.address = 70000", "65535"]),
        ('{ register = "holding", address = 1, type = "uint8" }', ["'uint8'", "'uint16'", "'float64'"]),
        ('{ register = "coil", address = 1, type = "float32" }', ["float32 does not fit", "allowed: bool"]),
        ('{ register = "holding", address = 1, bit = 16 }', ["n.bit = 16", "15"]),
        ('{ register = "holding", address = 1, bit = 1, type = "int16" }', ["bit picks one bit", "bool"]),
        ('{ register = "coil", address = 1, scale = 2 }', ["scale and offset", "numbers"]),
        ('{ register = "holding", address = 1, type = "string" }', ["length", "registers"]),
        ('{ register = "holding", address = 1, length = 2 }', ["length", "type string only"]),
        ('{ register = "holding", address = 1, type = "string", length = 2, max = 3 }', ["max", "numbers"]),
        (
            '{ register = "holding", address = 1, type = "string", length = 2, encoding = "utf-16" }',
            ["ASCII"],
        ),
        ('{ register = "holding", address = 1, min = 3, max = 2 }', ["max = 2", "min = 3"]),
        ('{ register = "holding", address = 1, poll = "slow" }', ["tags.n.poll = 'slow'", "no table polls"]),
        ('{ register = "holding", address = 1, scale = 0 }', ["scale = 0", "any other number"]),
        ('{ register = "holding", address = 65535, type = "uint32" }', ["beyond the last address 65535"]),
        ('{ register = "holding", address = 1, word_order = "middle" }', ["'middle'", "'big' or 'little'"]),
    ],
)
def test_a_wrong_tag_is_refused_with_what_is_allowed(tmp_path: Path, tag: str, words: list[str]) -> None:
    told = problems(tmp_path, modbus(f"n = {tag}"))
    assert all(word in told for word in words), told


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("poll_interval_s = 0", ["p.poll_interval_s = 0", "greater than"]),
        ("retries = 9", ["p.retries = 9", "5"]),
        ("port = 0", ["p.port = 0"]),
        (
            "reconnect_min_s = 5\nreconnect_max_s = 1",
            ["reconnect_max_s = 1.0 is shorter", "allowed: 5.0 to 60"],
        ),
        ("pol_interval_s = 1", ["pol_interval_s", "did you mean poll_interval_s?"]),
    ],
)
def test_a_wrong_device_is_refused_with_what_is_allowed(tmp_path: Path, more: str, words: list[str]) -> None:
    told = problems(tmp_path, modbus('n = { register = "coil", address = 1 }', more))
    assert all(word in told for word in words), told


@pytest.mark.parametrize("host", ["", "a..b", "http://10.0.0.1", "two words"])
def test_a_host_that_cannot_be_one_is_refused(tmp_path: Path, host: str) -> None:
    told = problems(tmp_path, modbus('n = { register = "coil", address = 1 }').replace("10.0.0.1", host))
    assert "is no host; allowed" in told


def test_a_device_without_tags_is_refused(tmp_path: Path) -> None:
    assert "devices.p.tags" in problems(tmp_path, modbus(""))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ('feedback = "honeywel"', ["g.feedback = 'honeywel'", "allowed: none, plain, honeywell, datalogic"]),
        ('feedback = { good = "hex:1g" }', ["feedback.good = 'hex:1g'", "hex:1b 37 2c"]),
        ("feedback = { good = '\\q' }", ["feedback.good", "text with escapes"]),
        ('feedback = { god = "B" }', ["feedback.god"]),
        ('encoding = "utf-16"', ["g.encoding = 'utf-16'", "allowed: utf-8"]),
        ('encoding = "klingon"', ["g.encoding = 'klingon'", "allowed: utf-8"]),
        ("bytesize = 6", ["g.bytesize = 6", "7 or 8"]),
        ('parity = "N"', ["g.parity = 'N'", "'none'", "'space'"]),
        ('frame = "lines"', ["g.frame = 'lines'", "allowed: line, stx-etx, idle, or { length = 12 }"]),
        ("frame = { length = 0 }", ["g.frame.length = 0", "greater than or equal to 1"]),
        ("frame = { size = 12 }", ["g.frame", "allowed: line, stx-etx, idle, or { length = 12 }"]),
        ("prefix = 'hex:1'", ["g.prefix = 'hex:1'", "hex:1b 37 2c"]),
        ("idle_s = 0", ["g.idle_s", "0.01"]),
    ],
)
def test_a_wrong_scanner_is_refused_with_what_is_allowed(tmp_path: Path, more: str, words: list[str]) -> None:
    told = problems(tmp_path, scanner(more))
    assert all(word in told for word in words), told


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("", ["devices.r: lacks its address", "host and port, or listen"]),
        ('host = "10.0.0.9"', ["devices.r: lacks its address"]),
        ('host = "10.0.0.9"\nport = 0', ["r.port = 0"]),
        ('host = "a b"\nport = 1', ["r.host = 'a b'", "is no host; allowed"]),
        ('host = "10.0.0.9"\nport = 1\nlisten = "0.0.0.0:4001"', ["allowed: host and port, or listen"]),
        ('host = "10.0.0.9"\nport = 1\npeer = "10.0.0.9"', ["peer goes with listen"]),
        ('listen = "4001"', ["r.listen = '4001'", "<host>:<port>"]),
        ('listen = "0.0.0.0:4001"\npeer = "gun"', ["r.peer = 'gun'", "192.168.10.41"]),
        ('listen = "0.0.0.0:4001"\nbaudrate = 9600', ["baudrate is no known key"]),
    ],
)
def test_a_wrong_network_reader_is_refused_with_what_is_allowed(
    tmp_path: Path, place: str, words: list[str]
) -> None:
    told = problems(tmp_path, f'[devices.r]\ndriver = "scanner-tcp"\n{place}')
    assert all(word in told for word in words), told


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ('device = "/dev/ttyS0"', ["w.device = '/dev/ttyS0'", "/dev/input/"]),
        ('device = "/dev/input/event1"\nlayout = "dvorak"', ["w.layout = 'dvorak'", "'us', 'de' or 'fr'"]),
        ('device = "/dev/input/event1"\nfeedback = "plain"', ["feedback is no known key"]),
    ],
)
def test_a_wrong_keyboard_scanner_is_refused_with_what_is_allowed(
    tmp_path: Path, more: str, words: list[str]
) -> None:
    told = problems(tmp_path, f'[devices.w]\ndriver = "scanner-hid"\n{more}')
    assert all(word in told for word in words), told


@pytest.mark.parametrize("place", ['host = "r1"\nport = 51236', 'listen = "0.0.0.0:4001"\npeer = "10.0.0.9"'])
def test_a_network_reader_needs_only_its_place(tmp_path: Path, place: str) -> None:
    reader = loaded(tmp_path, f'[devices.r]\ndriver = "scanner-tcp"\n{place}').devices["r"]
    assert reader.scans
    assert build("r", reader, TestClock()).name == "r"


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("'\\e7,'", b"\x1b7,"),
        ("'\\x1b7,'", b"\x1b7,"),
        ('"\\u001b7,"', b"\x1b7,"),
        ("'hex:1b 37 2c'", b"\x1b7,"),
        ("'hex:1b372c'", b"\x1b7,"),
        ("'E\\r\\n\\\\'", b"E\r\n\\"),
        ("'\\xff'", b"\xff"),
        ("''", b""),
    ],
)
def test_feedback_bytes_can_be_written_as_people_find_them_in_manuals(
    tmp_path: Path, written: str, sent: bytes
) -> None:
    gun = loaded(tmp_path, scanner(f"feedback = {{ good = {written} }}")).devices["g"]
    assert isinstance(gun, ScannerSettings)
    assert (gun.feedback.good, gun.feedback.bad) == (sent, b"")


@pytest.mark.parametrize(
    ("written", "framer", "silence_s"),
    [
        ("", LineFramer, 1.0),
        ('frame = "line"', LineFramer, 1.0),
        ('frame = "stx-etx"', MarkedFramer, 1.0),
        ('frame = "idle"', SilenceFramer, 0.05),
        ("frame = { length = 12 }", SilenceFramer, 0.05),
        ('frame = "idle"\nidle_s = 0.2', SilenceFramer, 0.2),
    ],
)
def test_a_frame_is_named_and_brings_a_fitting_silence(
    tmp_path: Path, written: str, framer: type[Framer], silence_s: float
) -> None:
    gun = loaded(tmp_path, scanner(written)).devices["g"]
    assert isinstance(gun, ScannerSettings)
    assert isinstance(gun.framer(), framer)
    assert gun.silence_s == silence_s


def test_a_packet_for_a_zebra_has_its_length_and_checksum() -> None:
    assert ssi(0xD0).hex(" ") == "04 d0 04 00 ff 28"
    assert PRESETS["zebra-ssi"].good.hex(" ") == "05 e6 04 00 00 ff 11"
    assert PRESETS["zebra-ssi"].bad.hex(" ") == "05 e6 04 00 06 ff 0b"
    for packet in (ssi(0xE6, bytes([code])) for code in range(256)):
        assert (sum(packet[:-2]) + int.from_bytes(packet[-2:], "big")) & 0xFFFF == 0


def test_reading_the_configuration_imports_no_protocol_library() -> None:
    code = (
        "import sys; from drivers.registry import KINDS; [kind() for kind in KINDS.values()]; "
        "sys.exit(bool({'pymodbus', 'asyncua', 'serial', 'serial_asyncio_fast'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_serial_line_needs_only_its_port_and_runs_as_the_documentation_says(tmp_path: Path) -> None:
    meter = loaded(tmp_path, rtu("")).devices["p"]
    assert isinstance(meter, RtuSettings)
    assert (meter.baudrate, meter.parity, meter.stopbits, meter.device_id) == (9600, "none", 1, 1)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("device_id = 0", ["p.device_id = 0", "1"]),
        ("device_id = 248", ["p.device_id = 248", "247"]),
        ('parity = "N"', ["p.parity = 'N'", "'none', 'even' or 'odd'"]),
        ("stopbits = 3", ["p.stopbits = 3", "1 or 2"]),
        ('host = "10.0.0.1"', ["p.host is no known key"]),
    ],
)
def test_a_wrong_line_setting_is_refused_with_what_is_allowed(
    tmp_path: Path, more: str, words: list[str]
) -> None:
    told = problems(tmp_path, rtu(more))
    assert all(word in told for word in words), told


GUN = '[devices.{name}]\ndriver = "scanner-serial"\nport = "{port}"\n'
READER = '[devices.{name}]\ndriver = "scanner-tcp"\nlisten = "{listen}"\n'
WEDGE = '[devices.{name}]\ndriver = "scanner-hid"\ndevice = "/dev/input/event3"\n'


def meter(number: int) -> str:
    table = f'[devices.m{number}]\ndriver = "modbus-rtu"\nport = "/dev/ttyUSB0"\ndevice_id = {number}\n'
    return f'{table}[devices.m{number}.tags]\nn = {{ register = "holding", address = 1 }}\n'


@pytest.mark.parametrize(
    ("first", "second", "place"),
    [
        (meter(1), GUN.format(name="gun", port="/dev/ttyUSB0"), "/dev/ttyUSB0"),
        (GUN.format(name="gun", port="/dev/ttyUSB0"), meter(1), "/dev/ttyUSB0"),
        (
            GUN.format(name="gun", port="/dev/ttyS0"),
            GUN.format(name="m1", port="/dev/ttyS0"),
            "/dev/ttyS0",
        ),
        (
            READER.format(name="gun", listen="0.0.0.0:4001"),
            READER.format(name="m1", listen="0.0.0.0:4001"),
            "0.0.0.0:4001",
        ),
        (WEDGE.format(name="gun"), WEDGE.format(name="m1"), "/dev/input/event3"),
    ],
)
def test_what_serves_one_device_is_refused_to_a_second_with_both_names(
    tmp_path: Path, first: str, second: str, place: str
) -> None:
    told = problems(tmp_path, first + second)
    assert all(word in told for word in ("devices.gun", "devices.m1", place)), told


def test_devices_of_one_bus_share_its_port_and_other_places_are_no_concern(tmp_path: Path) -> None:
    guns = GUN.format(name="gun", port="/dev/ttyUSB1") + READER.format(name="r1", listen="0.0.0.0:4001")
    guns += READER.format(name="r2", listen="0.0.0.0:4002")
    assert len(loaded(tmp_path, meter(1) + meter(2) + guns).devices) == 5


def test_fences_are_asked_for_unless_they_are_off(tmp_path: Path) -> None:
    shy = loaded(tmp_path, rtu('fences = "off"')).devices["p"]
    assert isinstance(shy, RtuSettings) and shy.fences == "off"
    told = problems(tmp_path, rtu('fences = "on"'))
    assert all(word in told for word in ("p.fences = 'on'", "'auto' or 'off'")), told
