"""What a person writes below `[devices.<name>]` with `driver = "opcua"`.

A tag is complete or refused: what is left out has a value here, and what does not fit together is named
together with what would. Secrets and keys come from files.
"""

import re
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from edge.settings import Factor, Name, Part, ReconnectingSettings, Seconds

Security = Literal["none", "sign", "sign-and-encrypt"]
Policy = Literal["Basic256Sha256", "Aes256Sha256RsaPss"]

# A node id as text (OPC UA Part 6, 5.3.1.10), with a namespace's index or its URI.
NODE = re.compile(r"(?:ns=(?P<index>\d{1,5});|nsu=(?P<uri>[^;]+);)?(?P<kind>[isgb])=(?P<id>.+)", re.DOTALL)
_STEP = re.compile(r"(?:(?P<index>\d{1,5}):)?(?P<name>.+)", re.DOTALL)
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def _endpoint(value: str) -> str:
    try:
        parts = urlsplit(value)
        right = parts.scheme == "opc.tcp" and bool(parts.hostname) and parts.port is not None
    except ValueError:
        right = False
    if not right or "@" in value or any(char.isspace() for char in value):
        raise ValueError(
            "is no endpoint; allowed: opc.tcp://<host>:<port>, as in opc.tcp://192.168.10.31:4840"
        )
    return value


def _node(value: str) -> str:
    found = NODE.fullmatch(value)
    if found is None or not _identifies(found["kind"], found["id"]) or int(found["index"] or 0) > 65535:
        raise ValueError(
            "is no node id; allowed: ns=<index>;s=<text>, nsu=<namespace URI>;s=<text>, "
            "and i=<number>, g=<GUID> or b=<base64> in place of s=; `lineside opcua browse` shows them"
        )
    return value


def _identifies(kind: str, text: str) -> bool:
    if kind == "i":
        return text.isdecimal() and int(text) < 2**32
    if kind == "g":
        return _GUID.fullmatch(text) is not None
    return kind == "s" or re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", text) is not None


def steps(path: str) -> list[tuple[int | None, str]]:
    """A browse path as (namespace index or None, name); `&` takes away the meaning of what follows it."""
    parts: list[str] = [""]
    escaped = False
    for char in path:
        if char == "/" and not escaped:
            parts.append("")
            continue
        if char == "&" and not escaped:
            escaped = True
            continue
        parts[-1] += char
        escaped = False
    found = [_STEP.fullmatch(part) for part in parts]
    return [(int(one["index"]) if one["index"] else None, one["name"]) for one in found if one is not None]


def _path(value: str) -> str:
    plain = value.replace("&&", "x").replace("&/", "x")  # without what is escaped
    if "" in plain.split("/") or plain.endswith("&"):
        raise ValueError(
            "is no browse path; allowed: names from the Objects folder on, as in 2:Oven/2:Temperature"
        )
    return value


class NodeTag(Part):
    """Which node a value is of, and how it is read: value × scale + offset, in `unit`."""

    node: Annotated[str, AfterValidator(_node)] | None = None
    path: Annotated[str, AfterValidator(_path)] | None = None  # names from the Objects folder on
    namespace: str | None = None  # URI for the names in `path` that have no index
    unit: str | None = None
    scale: Factor | None = None
    offset: Factor | None = None
    # The server keeps smaller changes to itself; in its own numbers, before scale.
    deadband: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.node is None) == (self.path is None):
            raise ValueError("needs either node or path; `lineside opcua browse` shows which there are")
        if self.namespace is not None and self.path is None:
            raise ValueError("namespace belongs to path; with node write nsu=<namespace URI>;…")
        if self.path is not None and self.namespace is None:
            bare = [name for index, name in steps(self.path) if index is None]
            if bare:
                raise ValueError(
                    f"path: {bare[0]!r} has no namespace; allowed: <index>:{bare[0]}, or namespace = <URI>"
                )
        if self.scale == 0:
            raise ValueError("scale = 0 would make every value the same; allowed: any other number")
        return self


class OpcUaSettings(ReconnectingSettings):
    """A server that speaks OPC UA."""

    driver: Literal["opcua"]
    endpoint: Annotated[str, AfterValidator(_endpoint)]
    # How often the server looks at a value (0: as often as it can), and how often it tells of changes.
    sampling_interval_s: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)] = 0.25
    publishing_interval_s: Annotated[Seconds, Field(ge=0.02)] = 0.5
    queue_size: Annotated[int, Field(ge=1, le=10000)] = 100  # values a tag that wait in the server
    keep_alive_s: Annotated[Seconds, Field(ge=0.1, le=60)] = 5.0  # a server without news says so this often
    resume_s: Annotated[Seconds, Field(ge=10)] = 60.0  # how long it keeps values of a broken connection
    timeout_s: Annotated[Seconds, Field(ge=0.05, le=30)] = 4.0  # to connect, and for each answer
    security: Security = "none"
    policy: Policy = "Basic256Sha256"  # counts unless security is none
    accept_expired: bool = False  # go on with a trusted certificate of the server that has run out
    pki_dir: Path | None = None  # own and trusted certificates; None: pki in data_dir
    user: Annotated[str, Field(min_length=1)] | None = None
    password_file: str | None = None
    allow_plain_password: bool = False
    user_certificate_file: str | None = None  # PEM or DER; who we are, instead of user and password
    user_key_file: str | None = None  # PEM
    tags: Annotated[dict[Name, NodeTag], Field(min_length=1)]

    @model_validator(mode="after")
    def _one_identity(self) -> Self:
        if (self.user is None) != (self.password_file is None):
            raise ValueError("user and password_file belong together: give both or none")
        if (self.user_certificate_file is None) != (self.user_key_file is None):
            raise ValueError("user_certificate_file and user_key_file belong together: give both or none")
        if self.user is not None and self.user_certificate_file is not None:
            raise ValueError("user and user_certificate_file exclude each other: give one")
        if self.user is not None and self.security == "none" and not self.allow_plain_password:
            raise ValueError(
                "user with security none may show the password to the network; allowed: security = sign or "
                "sign-and-encrypt, or allow_plain_password = true"
            )
        return self

    @property
    def secured(self) -> bool:
        return self.security != "none"

    @property
    def address(self) -> str:
        """Host and port."""
        return urlsplit(self.endpoint).netloc

    def located(self, folder: Path, credentials: Path | None, data_dir: Path) -> "OpcUaSettings":
        """The same with absolute paths: secrets beside systemd's credentials, else beside the TOML."""
        secrets = credentials or folder
        found = {
            "pki_dir": folder / self.pki_dir if self.pki_dir else data_dir / "pki",
            "password_file": self.password_file and str(secrets / self.password_file),
            "user_key_file": self.user_key_file and str(secrets / self.user_key_file),
            "user_certificate_file": self.user_certificate_file and str(folder / self.user_certificate_file),
        }
        return self.model_copy(update=found)
