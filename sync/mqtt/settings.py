"""What a person may set for an uplink of kind `mqtt`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from edge.settings import AlertAfter, Exposure, Name, Seconds, UplinkSettings, is_loopback

_Topic = Annotated[str, Field(pattern=r"^[^+#\x00/]+(/[^+#\x00/]+)*$", max_length=200)]


class MqttSettings(UplinkSettings):
    """A broker over which consumers pull (DESIGN, section 7). Secrets come from files only."""

    kind: Literal["mqtt"]
    host: Annotated[str, Field(min_length=1, max_length=253)]
    port: Annotated[int, Field(ge=1, le=65535)] | None = None  # by default 8883, without TLS 1883
    consumers: Annotated[tuple[Name, ...], Field(min_length=1, max_length=20)]
    start: Literal["oldest", "head"] = "oldest"  # where a new consumer begins
    root: _Topic = "lineside/v1"  # the topics are <root>/<enterprise>/<site>/<area>/<line>/<edge id>/…
    answers: _Topic | None = None  # answers go to topics from here only; by default <…>/answer
    tls: bool = True  # false: everything, passwords too, can be read on the way
    ca_file: str | None = None  # PEM; absent: the system's authorities
    cert_file: str | None = None  # PEM: our own certificate, where the broker asks for one
    key_file: str | None = None
    user: str | None = None
    password_file: str | None = None
    session_expiry_s: Annotated[int, Field(ge=0, le=604800)] = 86400  # what the broker keeps for us
    receive_maximum: Annotated[int, Field(ge=1, le=100)] = 32  # requests the broker may have under way
    keepalive_s: Annotated[int, Field(ge=5, le=3600)] = 30
    connect_timeout_s: Seconds = 10.0
    backoff_max_s: Seconds = 60.0
    alert_after_min: AlertAfter = 15
    page_events: Annotated[int, Field(ge=1, le=5000)] = 500
    page_bytes: Annotated[int, Field(ge=4096, le=16777216)] = 262144
    requests_per_s: Annotated[int, Field(ge=1, le=10000)] = 200  # of each consumer
    events: bool = True  # the live feed
    masterdata: bool = False  # whether master data comes this way

    @model_validator(mode="after")
    def _belonging(self) -> "MqttSettings":
        if (self.user is None) != (self.password_file is None):
            raise ValueError("user and password_file belong together: give both or none")
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together: give both or none")
        if not self.tls and (self.ca_file or self.cert_file):
            raise ValueError("ca_file and cert_file need tls = true")
        if len(set(self.consumers)) < len(self.consumers):
            raise ValueError("consumers names one twice; each has its own topics")
        return self

    @property
    def place(self) -> str:
        host, port = self.address
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{port}"

    @property
    def exposure(self) -> Exposure | None:
        if self.tls or is_loopback(self.host):
            return None
        return Exposure(
            f"speaks to the broker {self.host} without TLS",
            ("user and password", "every fact") if self.user is not None else ("every fact",),
            "Take tls = false out (a private authority's certificate: ca_file); a broker on this machine is"
            " reached at 127.0.0.1",
        )

    @property
    def delivers_masterdata(self) -> bool:
        return self.masterdata

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the broker."""
        return self.host, self.port or (8883 if self.tls else 1883)

    def receivers(self, name: str) -> tuple[str, ...]:
        """Each consumer has a cursor and a quarantine of its own."""
        return tuple(f"{name}/{consumer}" for consumer in self.consumers)

    def located(self, folder: Path, credentials: Path | None) -> "MqttSettings":
        """The same with absolute paths: secrets beside systemd's credentials, else beside the TOML."""
        secrets = credentials or folder
        return self.model_copy(
            update={
                "password_file": self.password_file and str(secrets / self.password_file),
                "key_file": self.key_file and str(secrets / self.key_file),
                "cert_file": self.cert_file and str(folder / self.cert_file),
                "ca_file": self.ca_file and str(folder / self.ca_file),
            }
        )
