"""A problem of the configuration in words: key, value, what is wrong, what is allowed."""

import difflib
import re
from collections.abc import Iterable
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from edge.settings.parts import NAME


def worded(model: type[BaseModel], at: tuple[str, ...], error: dict[str, Any]) -> str:
    """One pydantic error as `key = value: what is wrong; what is allowed`."""
    location = tuple(str(part) for part in error["loc"])
    key = ".".join(at + location)
    if error["type"] == "missing":
        return f"{key} is missing; it must be given"
    if error["type"] == "extra_forbidden":
        allowed = sorted(_fields_at(model, location[:-1]))
        return f"{key} is no known key{meant(location[-1], allowed)}; allowed: {', '.join(allowed)}"
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "string_pattern_mismatch" and error["ctx"]["pattern"] == NAME:
        message = "only letters, digits, dot, underscore and hyphen are allowed"
    value = error["input"]
    shown = f" = {masked(value)!r}" if isinstance(value, str | int | float | bool) else ""
    return f"{key}{shown}: {message[0].lower()}{message[1:]}"


def masked(value: str | float) -> str | float:
    """A value as it may be shown: what an address may carry of secrets is left out."""
    if not isinstance(value, str) or "://" not in value:
        return value
    return re.sub(r"\?.*", "?…", re.sub(r"//[^/@]*@", "//…@", value))


def _fields_at(model: type[BaseModel], location: Iterable[str]) -> list[str]:
    """The keys allowed at a place, through tables of named entries."""
    current: Any = model
    for part in location:
        if isinstance(current, type) and issubclass(current, BaseModel):
            current = current.model_fields[part].annotation if part in current.model_fields else None
        elif get_origin(current) in (dict, tuple):
            current = next((arg for arg in reversed(get_args(current)) if arg is not Ellipsis), None)
        while get_origin(current) in (Union, UnionType, Annotated):
            current = get_args(current)[0]
    return list(current.model_fields) if isinstance(current, type) and issubclass(current, BaseModel) else []


def meant(value: str, allowed: Iterable[str]) -> str:
    near = difflib.get_close_matches(value, list(allowed), 1)
    return f" (did you mean {near[0]}?)" if near else ""
