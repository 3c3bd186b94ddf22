"""Questions to lineside over MQTT 5: publish with Response Topic and Correlation Data, wait for the answer.

What is not answered in time is asked again over a new connection: asking costs nothing and changes nothing.
"""

import secrets
import time
from collections.abc import Callable
from typing import Any

import msgspec
from paho.mqtt.client import MQTTMessage
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge.faults import UplinkFault
from edge.pulling.line import Address, Line

AGAIN_S = 5.0
_GIVE_UP_S = 60.0
_NEVER_HEARD_S = 10.0  # before the first answer, for a wrong name is likely; or so many tries, if longer
_NEVER_HEARD_TRIES = 3
_PAUSE_S, _PAUSE_MAX_S = 0.1, 5.0  # before the next connection, doubled each time
_SLICE_S = 0.2  # how soon `stop` is heard


class Refusal(UplinkFault):
    """lineside refused a question, and says why."""

    def __init__(self, problem: dict[str, Any]) -> None:
        detail = str(problem.get("detail", ""))
        super().__init__(f"lineside refuses: {detail}", hint="Nothing was settled by this question")
        self.kind = str(problem.get("type", "")).rpartition(":")[2]
        # Of what is forgotten: the first seq of the journal that is kept.
        self.kept_from: int | None = problem.get("kept_from")


class Stopped(UplinkFault):
    """Somebody called `stop`."""


class Asking:
    """Asks one question at a time. Use it with `with`, from one thread; another one may call `stop`."""

    def __init__(
        self,
        address: Address,
        again_s: float = AGAIN_S,
        greeting: Callable[[Line], None] | None = None,
        patient: Callable[[UplinkFault], None] | None = None,
    ) -> None:
        self._at = address
        self._again_s = again_s
        self._greeting = greeting  # what to send on each new connection
        self._patient = patient  # hears of each silence, once, which is waited out; else that ends the asking
        self._answered = False
        self._topic = f"{address.base}/answer/{address.consumer}/{secrets.token_hex(4)}"
        self._line: Line | None = None
        self._stopped = False

    def __enter__(self) -> "Asking":
        self._line = self._open()
        return self

    def __exit__(self, *_: object) -> None:
        self._hang_up()

    def stop(self) -> None:
        """Have whatever waits end soon, with Stopped."""
        self._stopped = True

    def ask(self, what: str, body: dict[str, Any]) -> dict[str, Any]:
        """The answer. Raises Refusal, Stopped; without `patient` UplinkFault after a minute without one."""
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.ResponseTopic = self._topic
        properties.CorrelationData = mark = secrets.token_bytes(8)
        topic, payload = f"{self._at.base}/{what}/{self._at.consumer}", msgspec.json.encode(body)
        end_s, pause_s, told = time.monotonic() + self._patience_s, _PAUSE_S, False
        while True:
            try:
                self._line = self._line or self._open()
                self._line.publish(topic, payload, properties)
                if (found := self._heard(mark)) is not None:
                    self._answered = True
                    return _understood(found)
                silence = self._silence(topic)
            except (Refusal, Stopped):
                raise
            except UplinkFault as fault:
                silence = fault
            if time.monotonic() >= end_s and not told:
                if self._patient is None:
                    raise silence
                self._patient(silence)
                told = True
            self._hang_up()
            self.rest(pause_s)
            pause_s = min(2 * pause_s, _PAUSE_MAX_S)

    def rest(self, for_s: float) -> None:
        """Wait, and keep the connection meanwhile. Raises Stopped."""
        end_s = time.monotonic() + for_s
        while (left_s := end_s - time.monotonic()) > 0:
            self._received(min(left_s, _SLICE_S))

    @property
    def _patience_s(self) -> float:
        return _GIVE_UP_S if self._answered else max(_NEVER_HEARD_S, _NEVER_HEARD_TRIES * self._again_s)

    def _silence(self, topic: str) -> UplinkFault:
        said = f" (the broker: {self._line.objection})" if self._line and self._line.objection else ""
        return UplinkFault(f"no answer on {topic}{said}; nothing was taken", hint=_SILENCE_HINT)

    def _heard(self, mark: bytes) -> bytes | None:
        """The answer to this question; others came late and are let go of. Raises Stopped, UplinkFault."""
        end_s = time.monotonic() + self._again_s
        while self._line is not None and (left_s := end_s - time.monotonic()) > 0:
            message = self._received(min(left_s, _SLICE_S))
            if message is not None and getattr(message.properties, "CorrelationData", None) == mark:
                return bytes(message.payload)
        return None

    def _received(self, within_s: float) -> MQTTMessage | None:
        """A message; where the connection ends meanwhile it is hung up."""
        if self._stopped:
            raise Stopped("told to stop")
        if self._line is None:
            time.sleep(within_s)
            return None
        try:
            return self._line.receive(within_s)
        except UplinkFault:
            self._hang_up()
            return None

    def _open(self) -> Line:
        line = Line(self._at, self._topic, self._again_s)
        if self._greeting is not None:
            self._greeting(line)
        return line

    def _hang_up(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.close()


def _understood(body: bytes) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(body, type=dict[str, Any])
    if "problem" in found:
        raise Refusal(found["problem"])
    return found


_SILENCE_HINT = (
    "Is the consumer in `consumers` of the mqtt uplink, does the topic end with the edge id, may this account"
    " publish there, and is lineside running?"
)
