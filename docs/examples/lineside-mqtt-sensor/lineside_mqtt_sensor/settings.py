"""What a person writes below `[devices.<name>]` with `driver = "mqtt-sensor"`. Every number has a bound."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from edge.settings import DeviceSettings, Name, Part, Seconds


def _topic(value: str) -> str:
    if not value or any(char in value for char in "+#\0") or len(value.encode()) > 65535:
        raise ValueError("is no topic; allowed: one topic such as plant/oven1/state, without + and #")
    return value


class Tag(Part):
    """Where a value is: in the JSON of a topic."""

    topic: Annotated[str, AfterValidator(_topic)]
    field: str = ""  # a.b is b within a; empty: the whole payload is the value
    unit: str | None = None


class SensorSettings(DeviceSettings):
    """Sensors behind one broker."""

    driver: Literal["mqtt-sensor"]
    host: Annotated[str, Field(min_length=1)]
    port: Annotated[int, Field(ge=1, le=65535)] = 1883
    timeout_s: Annotated[Seconds, Field(ge=0.05, le=30)] = (
        5.0  # to connect, and for each answer of the broker
    )
    keepalive_s: Annotated[int, Field(ge=5, le=3600)] = 30  # a broker silent for 1.5 times as long is lost
    stale_after_s: Annotated[Seconds, Field(ge=1)] = 60.0  # a tag without a message for so long is bad
    reconnect_min_s: Annotated[Seconds, Field(ge=0.05, le=60)] = 0.5
    reconnect_max_s: Annotated[Seconds, Field(ge=0.05, le=60)] = 10.0
    tags: Annotated[dict[Name, Tag], Field(min_length=1)]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.reconnect_max_s < self.reconnect_min_s:
            raise ValueError("reconnect_max_s is shorter than reconnect_min_s; allowed: as long or longer")
        return self
