"""docs/mqtt.md and docs/asyncapi.yaml hold what happens: transcripts are pasted, examples are sent.

The latter is JSON, which is YAML 1.2 as well.
"""

import asyncio
import json
import re
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.contract.mqtt.broker import BASE, Rig, needs_mosquitto, rigged

pytestmark = needs_mosquitto
API: dict[str, Any] = json.loads(Path("docs/asyncapi.yaml").read_text(encoding="utf-8"))
MESSAGES = API["components"]["messages"]


def transcript(name: str, rig: Rig) -> str:
    """A command of the page, at this test's broker and cursor."""
    text = Path("docs/mqtt.md").read_text(encoding="utf-8")
    (found,) = re.findall(rf"<!-- transcript: {name} -->\n```sh\n(.*?)\n```", text, re.DOTALL)
    assert BASE in found
    port = found.replace("-p 1883", f"-p {rig.broker.port}")
    return str(port.replace("0123456789abcdef", rig.journal.epoch))


async def pasted(command: str) -> str:
    process = await asyncio.create_subprocess_shell(
        command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said
    return said.decode()


def fits(name: str, payload: object) -> None:
    """Raises where a payload is not as the document says."""
    schema = MESSAGES[name]["payload"] | {"components": API["components"]}
    jsonschema.validate(payload, schema)


@pytest.mark.skipif(shutil.which("mosquitto_rr") is None, reason="needs Debian's mosquitto-clients")
async def test_the_transcripts_work_when_pasted(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        client = await rig.client()
        page = json.loads(await pasted(transcript("ask", rig)))
        assert [int(event["sequence"]) for event in page["events"]] == [1, 2]
        await asyncio.to_thread(client.next)  # the answer went to .../me, which this client hears too
        watching = await asyncio.create_subprocess_shell(
            f"exec {transcript('watch', rig)}", stdout=asyncio.subprocess.PIPE
        )
        assert watching.stdout is not None
        assert (await watching.stdout.readline()).startswith(f"{BASE}/status ".encode())
        await pasted(transcript("pull", rig))
        assert json.loads((await asyncio.to_thread(client.next)).payload) == page
        await pasted(transcript("ack", rig))
        assert json.loads((await asyncio.to_thread(client.next)).payload) == {
            "cursor": f"{rig.journal.epoch}:2"
        }
        assert rig.status().seq == 2
        watching.terminate()
        said, _ = await watching.communicate()
        assert f"{BASE}/answer/erp ".encode() in said


async def test_the_examples_are_taken_and_the_answers_fit(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        client = await rig.client()
        for what, answered in (("pull", "page"), ("ack", "cursor"), ("figures", "comparison")):
            for example in MESSAGES[what]["examples"]:
                fits(what, example["payload"])
                text = json.dumps(example["payload"]).replace("0123456789abcdef", rig.journal.epoch)
                topic = "reconcile" if what == "figures" else what
                fits(answered, await rig.ask(client, topic, json.loads(text)))
        fits("refusal", await rig.ask(client, "pull", {"after": "nothing"}))
        with pytest.raises(jsonschema.ValidationError):
            fits("page", {"events": [{}]})
