"""The configuration: all problems at once, each with file, key, value and what is allowed."""

import dataclasses
import re
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from drivers import registry as device_kinds
from edge.faults import SettingsFault
from edge.settings import Settings, load
from sync import registry as uplink_kinds

EXAMPLE = """
[edge]
id = "L3-IPC1"
enterprise = "acme"
site = "suzhou"
area = "assembly"
line = "L3"
timezone = "Asia/Shanghai"
language = "zh-CN"
data_dir = "/var/lib/lineside"

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
concurrent = false
[stations.OP20.counters.good]
tag = "press1.cycles"
counts = "all"
units_per_count = 1
max_rate_per_min = 120
[stations.OP20.signals]
running = "press1.running"
energy = "press1.energy"

[[shifts]]
name = "day"
start = "08:00"
end = "20:00"

[uplinks.erp]
kind = "http"
url = "https://erp.example/costing/events"
token_file = "erp-token"
start = "oldest"

[web]
listen = "127.0.0.1:8700"
[sync]
listen = "127.0.0.1:8701"
"""


def loaded(folder: Path, text: str | bytes) -> Settings:
    path = folder / "lineside.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load(path, device_kinds.KINDS, uplink_kinds.KINDS)


def problems(folder: Path, text: str | bytes) -> list[str]:
    with pytest.raises(SettingsFault) as caught:
        loaded(folder, text)
    path = str(folder / "lineside.toml")
    assert all(problem.startswith(path) for problem in caught.value.problems)
    assert all(problem in str(caught.value) for problem in caught.value.problems)
    return [problem.removeprefix(f"{path}: ") for problem in caught.value.problems]


def changed(old: str, new: str) -> str:
    assert EXAMPLE.count(old) >= 1, old
    return EXAMPLE.replace(old, new, 1)


def test_the_designs_example_loads(tmp_path: Path) -> None:
    found = loaded(tmp_path, EXAMPLE)
    assert found.edge.zone.key == "Asia/Shanghai"
    assert found.devices["press1"].tag_names == {"cycles", "running", "energy"}
    assert found.devices["gun1"].scans
    assert found.stations["OP20"].counters["good"].max_rate_per_min == Decimal(120)
    assert found.stations["OP20"].signals.running == "press1.running"
    assert found.shifts[0].start.hour == 8
    assert found.uplinks["erp"].kind == "http"


def test_a_relative_data_dir_is_beside_the_file(tmp_path: Path) -> None:
    assert loaded(tmp_path, changed("/var/lib/lineside", "data")).edge.data_dir == tmp_path / "data"


@pytest.mark.parametrize(
    ("part", "name"),
    [("edge", "id"), ("web", "listen"), ("posting", "date"), ("sync", "listen")],
)
def test_settings_are_frozen(tmp_path: Path, part: str, name: str) -> None:
    found = loaded(tmp_path, EXAMPLE)
    with pytest.raises(ValidationError):
        setattr(getattr(found, part), name, "other")
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.web = found.web  # type: ignore[misc]


WRONG = [
    ('id = "L3-IPC1"', 'id = "L3 IPC1"', ["edge.id", "'L3 IPC1'"]),
    ('id = "L3-IPC1"', f'id = "{"x" * 65}"', ["edge.id", "64"]),
    ('id = "L3-IPC1"', "", ["edge.id", "missing"]),
    ('site = "suzhou"', 'site = "苏州"', ["edge.site", "苏州"]),
    ('language = "zh-CN"', 'language = "de"', ["edge.language", "'de'", "'en'", "zh-CN"]),
    ('"Asia/Shanghai"', '"Asia/Shangai"', ["edge.timezone", "Asia/Shangai", "allowed", "Europe/Berlin"]),
    ('"Asia/Shanghai"', '"../../etc/passwd"', ["edge.timezone", "allowed"]),
    ('enterprise = "acme"', 'entreprise = "acme"', ["edge.entreprise", "did you mean enterprise", "allowed"]),
    ("[web]", "[wep]", ["wep", "did you mean web", "allowed"]),
    (
        'driver = "modbus-tcp"',
        'driver = "modbus"',
        ["devices.press1.driver", "'modbus'", "did you mean modbus-tcp", "allowed", "scanner-serial"],
    ),
    ('driver = "modbus-tcp"', "", ["devices.press1.driver", "missing", "allowed"]),
    ("port = 502", "port = 65536", ["devices.press1.port", "65536", "65535"]),
    ("port = 502", 'port = "http"', ["devices.press1.port", "'http'", "integer"]),
    ("port = 502", "prot = 502", ["devices.press1.prot", "did you mean port", "allowed"]),
    ("poll_interval_s = 1.0", "poll_interval_s = nan", ["devices.press1.poll_interval_s", "nan"]),
    ("poll_interval_s = 1.0", "poll_interval_s = inf", ["devices.press1.poll_interval_s", "inf"]),
    ("poll_interval_s = 1.0", "poll_interval_s = 0", ["devices.press1.poll_interval_s", "0"]),
    (
        'register = "holding"',
        'register = "hodling"',
        ["devices.press1.tags.cycles.register", "hodling", "holding"],
    ),
    ("address = 100,", "address = 70000,", ["devices.press1.tags.cycles.address", "70000", "65535"]),
    ('type = "uint32"', 'type = "uint24"', ["devices.press1.tags.cycles.type", "uint24", "uint32"]),
    (
        'register = "coil", address = 0',
        'register = "coil", address = 0, typ = "bool"',
        ["devices.press1.tags.running.typ", "did you mean type", "allowed"],
    ),
    (
        'feedback = "honeywell"',
        'feedback = "honeywel"',
        ["devices.gun1.feedback", "honeywel", "honeywell", "allowed"],
    ),
    ("baudrate = 9600", "baudrate = 9600000", ["devices.gun1.baudrate", "9600000", "921600"]),
    ('scanners = ["gun1"]', 'scanners = ["gun2"]', ["stations.OP20.scanners.0", "'gun2'", "allowed: gun1"]),
    (
        'scanners = ["gun1"]',
        'scanners = ["press1"]',
        ["stations.OP20.scanners.0", "'press1'", "no scanner", "gun1"],
    ),
    (
        'scanners = ["gun1"]',
        'scanners = ["gun1", "gun1"]',
        ["stations.OP20.scanners.1", "'gun1'", "one station"],
    ),
    (
        'tag = "press1.cycles"',
        'tag = "press1.cycle"',
        ["stations.OP20.counters.good.tag", "'press1.cycle'", "allowed", "press1.cycles"],
    ),
    (
        'tag = "press1.cycles"',
        'tag = "cycles"',
        ["stations.OP20.counters.good.tag", "'cycles'", "press1.cycles"],
    ),
    (
        'running = "press1.running"',
        'running = "press2.running"',
        ["stations.OP20.signals.running", "press1.running"],
    ),
    (
        "[stations.OP20.counters.good]",
        "[stations.OP20.counters.energy]",
        ["stations.OP20.counters.energy", "taken"],
    ),
    ("units_per_count = 1", "units_per_count = 0", ["stations.OP20.counters.good.units_per_count", "0"]),
    ("units_per_count = 1", "units_per_count = nan", ["stations.OP20.counters.good.units_per_count"]),
    ("max_rate_per_min = 120", "max_rate_per_min = inf", ["stations.OP20.counters.good.max_rate_per_min"]),
    ('counts = "all"', 'counts = "some"', ["stations.OP20.counters.good.counts", "'some'", "all", "good"]),
    ('work_center = "WC-PRESS-1"', "", ["stations.OP20.work_center", "missing"]),
    ("concurrent = false", "concurrent = 7", ["stations.OP20.concurrent", "7"]),
    ('start = "08:00"', 'start = "25:00"', ["shifts.0.start", "25:00"]),
    ('start = "08:00"', "start = 8", ["shifts.0.start", "8"]),
    ('name = "day"', "", ["shifts.0.name", "missing"]),
    ('kind = "http"', 'kind = "https"', ["uplinks.erp.kind", "'https'", "did you mean http", "allowed"]),
    ('url = "https://erp.example/costing/events"', "", ["uplinks.erp.url", "missing"]),
    ("https://erp.example/costing/events", "ftp://erp.example/x", ["uplinks.erp.url", "ftp://", "https"]),
    ("https://erp.example/costing/events", "https://erp.example/x/", ["uplinks.erp.url", "slash"]),
    ('start = "oldest"', 'start = "newest"', ["uplinks.erp.start", "'newest'", "oldest", "head"]),
    ('"127.0.0.1:8700"', '"8700"', ["web.listen", "'8700'", "127.0.0.1:8700"]),
    ('"127.0.0.1:8701"', '"127.0.0.1:99999"', ["sync.listen", "99999"]),
    ("[stations.OP20]", '[stations."OP 20"]', ["stations.OP 20"]),
    ("[web]", "[storage]\nballast_mib = -1\n[web]", ["storage.ballast_mib", "-1"]),
    ("[web]", "[storage]\nkeep_days = 0\n[web]", ["storage.keep_days", "0"]),
    ("[web]", "[storage]\nsample_mib = 1\n[web]", ["storage.sample_mib", "did you mean samples_mib"]),
]


@pytest.mark.parametrize(("old", "new", "said"), WRONG)
def test_each_wrong_value_is_named_with_its_key_and_what_is_allowed(
    tmp_path: Path, old: str, new: str, said: list[str]
) -> None:
    found = problems(tmp_path, changed(old, new))
    assert any(all(part in problem for part in said) for problem in found), found


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    text = EXAMPLE
    for old, new in (
        ('language = "zh-CN"', 'language = "de"'),
        ("port = 502", "port = 0"),
        ('counts = "all"', 'counts = "some"'),
        ("baudrate = 9600", "baudrate = 1"),
        ('kind = "http"', 'kind = "mqt"'),
        ('"127.0.0.1:8700"', '"x"'),
    ):
        text = text.replace(old, new)
    found = problems(tmp_path, text)
    keys = {problem.split(" ")[0] for problem in found}
    assert keys >= {
        "edge.language", "devices.press1.port", "stations.OP20.counters.good.counts", "devices.gun1.baudrate",
        "uplinks.erp.kind", "web.listen",
    }  # fmt: skip
    assert len(found) == len(keys)


def test_names_that_point_nowhere_are_told_together_with_wrong_devices(tmp_path: Path) -> None:
    text = changed("port = 502", "port = 0").replace('["gun1"]', '["gun9"]')
    found = problems(tmp_path, text)
    assert any("devices.press1.port" in one for one in found)
    assert any("stations.OP20.scanners.0" in one for one in found)
    # What the broken device would have offered is not held against the station.
    assert not any("press1.cycles" in one for one in found)


def test_a_scanner_of_two_stations_is_refused(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, EXAMPLE + '\n[stations.OP30]\nwork_center = "WC-2"\nscanners = ["gun1"]\n')
    assert "stations.OP30.scanners.0 = 'gun1'" in found
    assert "stations.OP20" in found


def test_a_counter_read_by_two_stations_is_refused_for_each_stroke_would_count_twice(tmp_path: Path) -> None:
    more = '\n[stations.OP30]\nwork_center = "WC-2"\n[stations.OP30.counters.good]\ntag = "press1.cycles"\n'
    (found,) = problems(tmp_path, EXAMPLE + more)
    assert "stations.OP30.counters.good.tag = 'press1.cycles'" in found
    assert "stations.OP20" in found


def test_overlapping_shifts_are_refused_and_the_place_named(tmp_path: Path) -> None:
    more = '\n[[shifts]]\nname = "late"\nstart = "19:00"\nend = "23:00"\n'
    text = changed("\n[uplinks.erp]", f"{more}\n[uplinks.erp]")
    (found,) = problems(tmp_path, text)
    assert "shifts.1 (late)" in found
    assert "day at 19:00" in found


@pytest.mark.parametrize(
    ("old", "new", "secret"),
    [
        ('token_file = "erp-token"', 'token = "s3cr3t"', "s3cr3t"),
        ('token_file = "erp-token"', 'user = "u"\npassword = "s3cr3t"', "s3cr3t"),
        ("https://erp.example", "https://u:s3cr3t@erp.example", "s3cr3t"),
        ("/costing/events", "/costing/events?key=s3cr3t", "s3cr3t"),
    ],
)
def test_a_secret_in_the_toml_is_refused_and_not_repeated(
    tmp_path: Path, old: str, new: str, secret: str
) -> None:
    found = problems(tmp_path, changed(old, new))
    assert any("uplinks.erp" in one for one in found)
    assert any("_file" in one for one in found)
    assert not any(secret in one for one in found)


@pytest.mark.parametrize(
    "text",
    ["", "[edge", "edge = 3", "a = 1\na = 2", "\x00", "edge = []", "devices = 3", "[stations]\nx = 1",
     "shifts = 1",
     "shifts = [1]", "uplinks = 'x'", "[uplinks]\nerp = 2026-11-22", "[devices]\ng = 08:00:00"],
)  # fmt: skip
def test_what_is_no_configuration_is_told_in_words(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, text)


def test_bytes_that_are_no_text_are_told_in_words(tmp_path: Path) -> None:
    assert "TOML" in problems(tmp_path, b"\xff\xfe[edge]")[0]


def test_a_file_that_is_not_there_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsFault, match="lineside init"):
        load(tmp_path / "none.toml", device_kinds.KINDS, uplink_kinds.KINDS)


def test_a_folder_in_the_files_place_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(SettingsFault, match="could not be read"):
        load(tmp_path, device_kinds.KINDS, uplink_kinds.KINDS)


def test_absurd_nesting_is_told_in_words(tmp_path: Path) -> None:
    assert problems(tmp_path, f"a = {'[' * 100_000}{']' * 100_000}")


def test_a_data_dir_that_no_disk_can_have_is_refused(tmp_path: Path) -> None:
    assert any(
        "edge.data_dir" in one for one in problems(tmp_path, changed("/var/lib/lineside", "a\\u0000b"))
    )


VALUES = [
    "0",
    "-1",
    "1",
    "99999999999999999999999999",
    "0x10",
    "1e9",
    "1e999",
    "nan",
    "-inf",
    "1.5",
    "true",
    '""',
    '"x"',
    '"NaN"',
    '"\\u0000"',
    '"\\U0001F600"',
    '"é"',
    "[]",
    "[[]]",
    '["x"]',
    "[1]",
    "{}",
    "{ a = 1 }",
    '{ "" = 1 }',
    "2026-11-22",
    "2026-11-22T08:00:00Z",
    "08:00:00",
    "'''\n'''",
    '"' + "x" * 500 + '"',
    '"${HOME}"',
    '"²:²"',
    '"a:²"',
]
LINES = [line for line in EXAMPLE.splitlines() if re.match(r"\w+\s*=", line)]
HEADERS = [line for line in EXAMPLE.splitlines() if line.startswith("[")]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mangled_values_never_give_anything_but_a_list_of_problems(
    tmp_path: Path, data: st.DataObject
) -> None:
    text = EXAMPLE
    for _ in range(data.draw(st.integers(1, 4))):
        match data.draw(st.sampled_from(["value", "inner", "header", "drop"])):
            case "value":
                line = data.draw(st.sampled_from(LINES))
                key = line.split("=")[0]
                text = text.replace(line, f"{key}= {data.draw(st.sampled_from(VALUES))}", 1)
            case "inner":
                found = re.findall(r'(?<== )(?:"[^"]*"|\d+)(?=[ ,}])', text)
                if found:
                    text = text.replace(
                        data.draw(st.sampled_from(found)), data.draw(st.sampled_from(VALUES)), 1
                    )
            case "header":
                header = data.draw(st.sampled_from(HEADERS))
                other = data.draw(
                    st.sampled_from(['[stations."a b"]', "[x]", "[[edge]]", "[devices.y]", "[uplinks.z]"])
                )
                text = text.replace(header, other, 1)
            case "drop":
                line = data.draw(st.sampled_from(LINES))
                text = text.replace(line, "", 1)
    try:
        loaded(tmp_path, text)
    except SettingsFault as fault:
        assert fault.problems
        assert all(problem.strip() and "Traceback" not in problem for problem in fault.problems)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mangled_bytes_never_give_anything_but_a_list_of_problems(
    tmp_path: Path, data: st.DataObject
) -> None:
    body = bytearray(EXAMPLE.encode())
    for _ in range(data.draw(st.integers(1, 5))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        loaded(tmp_path, bytes(body))
    except SettingsFault as fault:
        assert fault.problems


# A site's own codes


def rules(*entries: str) -> str:
    return EXAMPLE + "".join(f"\n[[grammar]]\n{entry}\n" for entry in entries)


BOX = """name = "box"\npattern = 'K/(?P<lot>[A-Z]+)/(?P<quantity>\\d+)'\nunit = "KGM"\ndecimals = 2"""


def test_own_codes_are_compiled_once_and_in_order(tmp_path: Path) -> None:
    done = 'name = "done"\npattern = \'FERTIG\'\ncommand = "DONE"\nscanners = ["gun1", "page"]'
    found = loaded(tmp_path, rules(BOX, done)).rules
    assert [rule.name for rule in found] == ["box", "done"]
    assert found[0].pattern.values("K/A/125") == {"lot": "A", "quantity": "125"}
    assert (found[0].unit, found[0].decimals, found[1].command) == ("KGM", 2, "DONE")
    assert loaded(tmp_path, EXAMPLE).rules == ()


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (
            "name = 'x'\npattern = '(?P<lot>[A-Z0-9]+)(?P<quantity>[0-9]+)'",
            ["grammar.0", "in two ways", "'A11'"],
        ),
        ("name = 'x'\npattern = '(?P<lot>a'", ["grammar.0", "never closed"]),
        ("name = 'x'\npattern = '(?P<box>a)'", ["grammar.0", "unknown group box", "badge"]),
        ("name = 'x'\npattern = 'abc'", ["grammar.0", "no group", "says nothing"]),
        ("name = 'x'\npattern = '(?P<lot>a)-(?P<order>b)'", ["grammar.0", "lot, order", "says nothing"]),
        ("name = 'x'\npattern = '(?P<quantity>.+)'", ["grammar.0", "more than digits"]),
        ("name = 'x'\npattern = '(?P<gtin>[0-9A]+)'", ["grammar.0", "gtin takes more than digits"]),
        ("name = 'x'\npattern = 'a'\ncommand = 'JUMP'", ["grammar.0", "'JUMP' names no command"]),
        ("name = 'x'\npattern = 'a'\ncommand = 'PAUSE'", ["grammar.0", "lacks its reason"]),
        ("name = 'x'\npattern = 'a(?P<reason>b)'\ncommand = 'DONE'", ["grammar.0", "no further reason"]),
        ("name = 'x'\npattern = 'a(?P<command>b)'\ncommand = 'DONE'", ["grammar.0", "of its own"]),
        ("name = 'x'\npattern = '(?P<lot>a)'\nunit = 'KGM'", ["grammar.0", "belong to a group quantity"]),
        (
            "name = 'x'\npattern = '(?P<lot>a)'\nscanners = ['gun9']",
            ["grammar.0.scanners", "'gun9'", "gun1, page"],
        ),
        (
            "name = 'x'\npattern = '(?P<lot>a)'\nscanners = ['press1']",
            ["grammar.0.scanners", "is no scanner"],
        ),
        ("name = 'x'\npattern = '(?P<lot>a)'\npatern = 'b'", ["grammar.0.patern", "did you mean pattern"]),
        ("name = 'x'\npattern = ''", ["grammar.0.pattern"]),
        ("name = 'x'\npattern = '(?P<lot>a{201})'", ["grammar.0", "too large"]),
    ],
)
def test_an_own_code_that_does_not_hold_together_is_refused(
    tmp_path: Path, entry: str, words: list[str]
) -> None:
    (problem,) = problems(tmp_path, rules(entry))
    assert all(word in problem for word in words), problem


def test_two_own_codes_that_share_a_text_are_refused_with_it(tmp_path: Path) -> None:
    pallet = "name = 'pallet'\npattern = 'K/(?P<order>[A-Z]+)/\\d{8}'"
    (problem,) = problems(tmp_path, rules(BOX, pallet))
    assert problem == "grammar.1 (pallet): 'K/A/11111111' fits grammar.0 (box) too; a code has one meaning"
    apart = pallet + "\nscanners = ['gun1']"
    assert len(problems(tmp_path, rules(BOX, apart))) == 1
    assert loaded(tmp_path, rules(BOX + "\nscanners = ['page']", apart)).rules[1].name == "pallet"


def test_a_name_stands_for_one_own_code(tmp_path: Path) -> None:
    other = BOX.replace("K/", "P/")
    assert problems(tmp_path, rules(BOX, other)) == [
        "grammar.1.name = 'box': grammar.0 has this name already"
    ]


def test_own_codes_together_are_bounded(tmp_path: Path) -> None:
    many = [f"name = 'r{at}'\npattern = '{at:02d}(?P<lot>[A-Z]{{1,190}})'" for at in range(11)]
    (problem,) = problems(tmp_path, rules(*many))
    assert "2112 characters; 2000 are the most" in problem


@pytest.mark.parametrize(
    ("breaks", "said"),
    [
        ('[{ start = "12:00", end = "12:00" }]', "shifts.0.breaks.0 (12:00 to 12:00): has no length"),
        ('[{ start = "19:50", end = "20:10" }]', "must lie within shift day, 08:00 to 20:00"),
        ('[{ start = "07:00", end = "07:10" }]', "must lie within shift day, 08:00 to 20:00"),
        (
            '[{ start = "12:00", end = "12:30" }, { start = "12:29", end = "13:00", paid = true }]',
            "shifts.0.breaks.1 (12:29 to 13:00): overlaps breaks.0 of the same shift",
        ),
    ],
)
def test_a_break_that_cannot_be_is_refused_and_named(tmp_path: Path, breaks: str, said: str) -> None:
    text = changed('end = "20:00"\n', f'end = "20:00"\nbreaks = {breaks}\n')
    (found,) = problems(tmp_path, text)
    assert said in found


def test_breaks_at_the_ends_of_a_shift_and_beside_one_another_are_taken(tmp_path: Path) -> None:
    faces = (("08:00", "08:10"), ("08:10", "08:20"), ("19:50", "20:00"))
    rows = ", ".join(f'{{ start = "{start}", end = "{end}" }}' for start, end in faces)
    found = loaded(tmp_path, changed('end = "20:00"\n', f'end = "20:00"\nbreaks = [{rows}]\n'))
    assert len(found.shifts[0].breaks) == 3


def test_two_webhooks_of_one_name_and_secrets_in_addresses_are_refused(tmp_path: Path) -> None:
    hook = '[[webhooks]]\nname = "w"\nurl = "http://robot.example/send{}"\n'
    found = problems(tmp_path, EXAMPLE + hook.format("") + hook.format("/2"))
    assert found == ["webhooks.1.name = 'w': webhooks.0 has this name already"]
    found = problems(tmp_path, EXAMPLE + hook.format("?key=s3cret"))
    assert any("url_file" in one for one in found) and "s3cret" not in str(found)
