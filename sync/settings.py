"""What a person may set for an uplink of kind `http`."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from edge.settings import AlertAfter, Exposure, Seconds, UplinkSettings, is_loopback


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


def _proxy(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme != "http" or not parts.hostname or parts.path.strip("/"):
        raise ValueError("must be the proxy's address, for example http://proxy.example:3128")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must hold no user or password; see proxy_user and proxy_password_file")
    return value


def _token_url(value: str) -> str:
    parts = urlsplit(value)
    here = is_loopback(parts.hostname or "")
    if parts.scheme != "https" and not (parts.scheme == "http" and here):
        raise ValueError("must be an https address: the client's secret goes there")
    if not parts.hostname or parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must hold no user, password, query or fragment")
    return value


class Delivery(UplinkSettings):
    """What delivery needs to know, whatever the kind."""

    start: Literal["oldest", "head"] = "oldest"  # where a new uplink begins
    on_reject: Literal["continue", "hold_order", "halt"] = "continue"
    batch_events: Annotated[int, Field(ge=1, le=500)] = 500
    batch_bytes: Annotated[int, Field(ge=1024, le=1048576)] = 1048576  # before compression
    backoff_max_s: Seconds = 60.0
    alert_after_min: AlertAfter = 15
    masterdata_interval_s: Annotated[float, Field(ge=0, le=86400, allow_inf_nan=False)] = 60.0  # 0: off
    reconcile: Literal["shift", "day", "off"] = "shift"  # at the end of each shift and day, or of each day
    reconcile_after_s: Annotated[float, Field(ge=0, le=86400, allow_inf_nan=False)] = 120.0  # behind that end

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
    token_url: Annotated[str, AfterValidator(_token_url)] | None = None  # OAuth2 client credentials
    client_id: Annotated[str, Field(min_length=1)] | None = None
    client_secret_file: str | None = None
    client_auth: Literal["basic", "body"] = "basic"  # how the client says who it is (RFC 6749, 2.3.1)
    scope: str | None = None
    cert_file: str | None = None  # mTLS: our certificate with its chain, PEM
    key_file: str | None = None  # its key, PEM, without a password
    proxy: Annotated[str, AfterValidator(_proxy)] | None = None  # the environment's is never taken
    proxy_user: Annotated[str, Field(pattern=r"^[^:]+$")] | None = None
    proxy_password_file: str | None = None
    ca_file: str | None = None  # PEM; absent: the system's authorities
    connect_timeout_s: Seconds = 10.0
    send_timeout_s: Seconds = 60.0
    answer_timeout_s: Seconds = 60.0

    @property
    def place(self) -> str:
        return self.url

    @property
    def exposure(self) -> Exposure | None:
        parts = [urlsplit(url) for url in (self.url, self.proxy) if url is not None]
        beyond = [one for one in parts if not is_loopback(one.hostname or "")]
        if parts[0].scheme == "https":
            return self._exposed_at_proxy() if parts[-1] in beyond else None
        if not beyond:
            return None
        secrets = {
            "the token": self.token_file or self.token_url,
            "user and password": self.user,
            "the proxy's user and password": self.proxy_user if parts[-1] in beyond else None,
        }
        return Exposure(
            f"goes to {parts[0].hostname} over plain http",
            (*(name for name, given in secrets.items() if given is not None), "every fact"),
            "Give url an https address (a private authority's certificate: ca_file); a receiver on this"
            " machine is reached at 127.0.0.1",
        )

    def _exposed_at_proxy(self) -> Exposure | None:
        """Where a proxy beyond this machine is told its password: the way to it is never encrypted."""
        if self.proxy is None or self.proxy_user is None:
            return None
        return Exposure(
            f"tells the proxy {urlsplit(self.proxy).hostname} its password over plain http",
            ("the proxy's user and password",),
            "Have the proxy let this machine pass by its address, or run one at 127.0.0.1 that logs on to it;"
            " facts and the receiver's secrets stay encrypted",
        )

    @property
    def proves(self) -> bool:
        """Whether calls say who we are by a token or a password."""
        return any((self.token_file, self.user, self.token_url))

    @property
    def encrypted(self) -> bool:
        """Whether TLS is spoken to the receiver or to who gives its tokens."""
        return any((url or "").startswith("https:") for url in (self.url, self.token_url))

    @model_validator(mode="after")
    def _one_way_in(self) -> "HttpSettings":
        for names in _TOGETHER:
            if len({getattr(self, name) is None for name in names}) > 1:
                raise ValueError(f"{' and '.join(names)} belong together: give all or none")
        ways = [name for name in ("token_file", "user", "token_url") if getattr(self, name) is not None]
        if len(ways) > 1:
            raise ValueError(f"{' and '.join(ways)} exclude each other: give one")
        if self.scope is not None and self.token_url is None:
            raise ValueError("scope belongs to token_url")
        if self.proxy_user is not None and self.proxy is None:
            raise ValueError("proxy_user belongs to proxy")
        if self.cert_file is not None and not self.url.startswith("https:"):
            raise ValueError("cert_file needs an https url: without TLS no certificate is shown")
        return self

    def located(self, folder: Path, credentials: Path | None) -> "HttpSettings":
        """The same with absolute paths: secrets beside systemd's credentials, else beside the TOML."""
        secrets = credentials or folder
        found = {name: _placed(secrets, getattr(self, name)) for name in _SECRETS}
        found |= {name: _placed(folder, getattr(self, name)) for name in ("ca_file", "cert_file")}
        return self.model_copy(update=found)


def _placed(folder: Path, name: str | None) -> str | None:
    return None if name is None else str(folder / name)


_SECRETS = ("token_file", "password_file", "client_secret_file", "key_file", "proxy_password_file")
_TOGETHER = (
    ("user", "password_file"),
    ("token_url", "client_id", "client_secret_file"),
    ("cert_file", "key_file"),
    ("proxy_user", "proxy_password_file"),
)
