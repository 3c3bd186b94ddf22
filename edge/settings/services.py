"""What runs beside the stations: pages, storage, where master data comes from, who hears of alerts."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from edge.settings.parts import Address, Name, Part, Seconds, printable_path


def _webhook_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an http or https address")
    if parts.username or parts.password or parts.query or parts.fragment:
        # The message must not show what may be a secret; pydantic would show the value beside it.
        raise ValueError("must hold no user, password, query or fragment; put such an address into url_file")
    return value


class Web(Part):
    """Where the pages and the local API listen."""

    listen: Address = "127.0.0.1:8700"


class Sync(Part):
    """Where sync's health and metrics listen."""

    listen: Address = "127.0.0.1:8701"


class Storage(Part):
    """What data_dir may hold beside the facts. `ballast_mib` (0: none) is room given back at 95 %, at most
    1 % of the disk; `samples_mib` (0: none) bounds samples.db; `keep_days` is how long delivered facts stay,
    with what receivers said of them; where no time server holds the clock, in days that the edge ran.
    Certificates of reconciliation stay for `certificates_days`, as long as all of them fit into
    `certificates_mib`.
    """

    ballast_mib: Annotated[int, Field(ge=0, le=65536)] = 64
    samples_mib: Annotated[int, Field(ge=0, le=65536)] = 256
    keep_days: Annotated[int, Field(ge=1, le=36500)] = 90
    certificates_days: Annotated[int, Field(ge=1, le=36500)] = 3650
    certificates_mib: Annotated[int, Field(ge=1, le=65536)] = 256


class MasterDataSettings(Part):
    """Where master data comes from. `folder` holds CSV and JSON files, beside this one unless absolute.
    `source` names the one that counts where there are several: an uplink, or "folder". `stale_after_h` (0:
    never) is the age that becomes an alert; by default 24 for an uplink's, never for a folder's.
    """

    folder: Annotated[Path, AfterValidator(printable_path)] | None = None
    source: Name | None = None
    stale_after_h: Annotated[float, Field(ge=0, le=8760, allow_inf_nan=False)] | None = None


class Webhook(Part):
    """Who hears of alerts over HTTP: those whose keys fit `alerts`, once they stand for `after_min`. The body
    is the kind's Jinja2 template, or that in `template_file`. An address that is a secret stands in
    `url_file`; `secret_file` signs (dingtalk, feishu), `token_file` is a bearer's (json). `to`: who it is.
    """

    name: Name
    kind: Literal["json", "wecom", "dingtalk", "feishu"] = "json"
    url: Annotated[str, AfterValidator(_webhook_url)] | None = None
    url_file: str | None = None
    token_file: str | None = None
    secret_file: str | None = None
    ca_file: str | None = None
    template_file: str | None = None
    alerts: Annotated[tuple[str, ...], Field(min_length=1)] = ("*",)
    after_min: Annotated[int, Field(ge=0, le=10080)] = 0
    cleared: bool = True  # whether it hears that an alert of which it heard is over
    to: Annotated[str, Field(max_length=100)] = ""
    backoff_max_s: Seconds = 300.0
    answer_timeout_s: Seconds = 15.0

    @model_validator(mode="after")
    def _fitting(self) -> "Webhook":
        if (self.url is None) == (self.url_file is None):
            raise ValueError("give one of url and url_file")
        if self.secret_file is not None and self.kind not in ("dingtalk", "feishu"):
            raise ValueError('secret_file signs with kind = "dingtalk" or "feishu" only; see token_file')
        if self.token_file is not None and self.kind != "json":
            raise ValueError('token_file belongs to kind = "json"; the others carry theirs in url_file')
        return self

    def located(self, folder: Path, credentials: Path | None) -> "Webhook":
        """The same with absolute paths: secrets beside systemd's credentials, the rest beside the TOML."""
        secrets = credentials or folder
        places = dict.fromkeys(("url_file", "token_file", "secret_file"), secrets)
        places |= dict.fromkeys(("ca_file", "template_file"), folder)
        found = {key: str(place / given) for key, place in places.items() if (given := getattr(self, key))}
        return self.model_copy(update=found)
