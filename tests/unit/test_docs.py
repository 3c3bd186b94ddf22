"""What the documentation shows works: the proof of the chain, the example configuration, its schema."""

import json
import re
import tomllib
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from edge import main
from edge.cli import publish
from edge.cli.app import app
from edge.events import Draft, OperatorSignedOn, seal
from edge.ids import new_id
from edge.readings import Moment, Scan
from edge.settings import Reminders
from edge.station.grammar import Command, Grammar, Lot

EXAMPLE = Path("config/lineside.example.toml")


def proves() -> Callable[[list[dict[str, Any]]], bool]:
    """The function that docs/facts.md offers to receivers."""
    (code,) = re.findall(r"```python\n(.*?)```", Path("docs/facts.md").read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    found: Callable[[list[dict[str, Any]]], bool] = names["proves"]
    return found


def stream(count: int) -> list[dict[str, Any]]:
    events, chain = [], ""
    for seq in range(1, count + 1):
        draft = Draft(new_id(seq), seq, OperatorSignedOn(operator=f"操作工 {seq}"))
        _, body = seal(draft, "urn:lineside:a:b:0123456789abcdef", seq, "2026-11-22T02:00:00.000Z", chain)
        events.append(json.loads(body))
        chain = events[-1]["chain"]
    return events


def test_the_documented_proof_takes_a_sound_stream_and_refuses_others() -> None:
    assert proves()(stream(20))
    changed, missing, swapped = stream(20), stream(20), stream(20)
    changed[7]["data"]["operator"] = "someone else"
    del missing[7]
    swapped[7], swapped[8] = swapped[8], swapped[7]
    assert [proves()(one) for one in (changed, missing, swapped)] == [False, False, False]


def test_the_example_configuration_loads_and_fits_the_published_schema() -> None:
    assert main.load(EXAMPLE).stations["OP20"].counters["good"].units_per_count == 1
    schema = json.loads(publish.CONFIGURATION.read_text(encoding="utf-8"))
    document = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))
    plain = json.loads(json.dumps(document, default=str))
    jsonschema.validate(plain, schema)
    plain["devices"]["press1"]["hots"] = "typo"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(plain, schema)


def test_the_published_configuration_schema_is_that_of_the_types() -> None:
    assert publish.CONFIGURATION.read_text(encoding="utf-8") == publish.configuration()


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_every_command_that_the_readme_names_is_there(readme: str) -> None:
    named = set(re.findall(r"\blineside ([a-z]+)", Path(readme).read_text(encoding="utf-8")))
    commands = {
        command.name or command.callback.__name__ for command in app.registered_commands if command.callback
    }
    commands |= {group.name for group in app.registered_groups if group.name}
    prose = {"lineside", "runs", "posts", "turns"}
    assert named - prose - commands == set()


def test_the_layers_that_are_described_are_those_that_are_checked() -> None:
    text = Path("ARCHITECTURE.md").read_text(encoding="utf-8")
    (described,) = re.findall(r"Imports run downwards only: `([^`]+)`", text)
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
    main_, *layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    assert (main_, " ".join(described.split())) == ("edge.__main__", " > ".join(layers))


def test_the_documented_rules_for_own_codes_load_and_read_what_they_say(tmp_path: Path) -> None:
    (rules,) = re.findall(
        r"```toml\n(.*?)```", Path("docs/grammar.md").read_text(encoding="utf-8"), re.DOTALL
    )
    config = tmp_path / "lineside.toml"
    config.write_text(EXAMPLE.read_text(encoding="utf-8") + rules, encoding="utf-8")
    grammar = Grammar(main.load(config).rules)

    def read(text: str) -> object:
        return grammar.read(Scan("gun1", text, Moment(0, 0, "boot")))

    assert read("K/A2207/1250") == Lot("A2207", None, Decimal("12.5"), "KGM")
    assert read("FERTIG") == Command("DONE")


def test_the_documented_reminders_and_webhooks_load_and_their_template_renders(tmp_path: Path) -> None:
    text = Path("docs/alerts.md").read_text(encoding="utf-8")
    reminders, webhooks = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    (template,) = re.findall(r"```jinja\n(.*?)```", text, re.DOTALL)
    plain = re.sub(r"\[reminders\].*?\n\n", "", EXAMPLE.read_text(encoding="utf-8"), flags=re.DOTALL)
    (tmp_path / "own.j2").write_text(template, encoding="utf-8")
    config = tmp_path / "lineside.toml"
    config.write_text(plain + reminders + webhooks + 'template_file = "own.j2"\n', encoding="utf-8")
    loaded = main.load(config)
    assert loaded.reminders == Reminders()
    assert [one.after_min for one in loaded.webhooks] == [0, 30]
    assert list(main.webhook_problems(loaded)) == []
    missing = [one.split(":")[0] for one in main.secret_problems(loaded) if one.startswith("webhooks.")]
    assert missing == [
        "webhooks.shift-leader.url_file",
        "webhooks.plant-manager.url_file",
        "webhooks.plant-manager.secret_file",
    ]
    (tmp_path / "own.j2").write_text("{{ alarm }}")
    (problem,) = main.webhook_problems(loaded)
    assert problem.startswith("webhooks.plant-manager: ") and "'alarm' is undefined" in problem
