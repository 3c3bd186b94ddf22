"""What a person may set for an uplink of kind `http`."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from edge.settings import Seconds, UplinkSettings


def _url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an http or https address, for example https://erp.example/costing/events")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError(
            "must hold no user, password, query or fragment; see token_file, user, password_file"
        )
    if value.endswith("/"):
        raise ValueError("must end without a slash: /reconciliation and /masterdata are put behind it")
    return value


class Delivery(UplinkSettings):
    """What delivery needs to know, whatever the kind."""

    start: Literal["oldest", "head"] = "oldest"  # where a new uplink begins
    on_reject: Literal["continue", "hold_order", "halt"] = "continue"
    batch_events: Annotated[int, Field(ge=1, le=500)] = 500
    batch_bytes: Annotated[int, Field(ge=1024, le=1048576)] = 1048576  # before compression
    backoff_max_s: Seconds = 60.0
    masterdata_interval_s: Annotated[float, Field(ge=0, le=86400, allow_inf_nan=False)] = 60.0  # 0: off

    @property
    def delivers_masterdata(self) -> bool:
        return self.masterdata_interval_s > 0


class HttpSettings(Delivery):
    """A costing endpoint (DESIGN, section 6). Secrets come from files only."""

    kind: Literal["http"]
    url: Annotated[str, AfterValidator(_url)]
    token_file: str | None = None  # bearer
    user: Annotated[str, Field(pattern=r"^[^:]+$")] | None = None  # basic; RFC 7617 allows no colon
    password_file: str | None = None
    ca_file: str | None = None  # PEM; absent: the system's authorities
    connect_timeout_s: Seconds = 10.0
    answer_timeout_s: Seconds = 60.0

    @model_validator(mode="after")
    def _one_way_in(self) -> "HttpSettings":
        if (self.user is None) != (self.password_file is None):
            raise ValueError("user and password_file belong together: give both or none")
        if self.user is not None and self.token_file is not None:
            raise ValueError("token_file and user exclude each other: give one")
        return self

    def located(self, folder: Path, credentials: Path | None) -> "HttpSettings":
        """The same with absolute paths: secrets beside systemd's credentials, else beside the TOML."""
        secrets = credentials or folder
        found = {
            "token_file": self.token_file and str(secrets / self.token_file),
            "password_file": self.password_file and str(secrets / self.password_file),
            "ca_file": self.ca_file and str(folder / self.ca_file),
        }
        return self.model_copy(update=found)
