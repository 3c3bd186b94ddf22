"""Calls the local APIs of the running collector and of the running sync."""

import json
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any

import typer
from rich.markup import escape

from edge.cli.common import FAULT, UNREACHABLE, err, out
from edge.settings import Settings

_SYNC_S = 900.0  # a long range is read once or twice, and what is missing sent in between


def call(loaded: Settings, path: str, body: object = None) -> tuple[int, dict[str, Any]]:
    """Status and answer of the running collector; exits with code 3 where it does not answer."""
    return _called("collect", "The collector", loaded.web.listen, path, body, 10.0)


def call_sync(loaded: Settings, path: str, body: object) -> tuple[int, dict[str, Any]]:
    """The same of the running sync, which may take its time."""
    return _called("sync", "Delivery", loaded.sync.listen, path, body, _SYNC_S)


def _called(
    unit: str, who: str, listen: str, path: str, body: object, patience_s: float
) -> tuple[int, dict[str, Any]]:
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(f"http://{listen}{path}", data, {"Content-Type": "application/json"})
    try:
        try:
            with urllib.request.urlopen(request, timeout=patience_s) as answer:
                return answer.status, _object(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, _object(error.read())
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        err.print(f"{who} does not answer at http://{listen}: {reason}", markup=False)
        err.print(f"Start it with `lineside run`, or: systemctl status lineside-{unit}", markup=False)
        raise typer.Exit(UNREACHABLE) from error


def record(loaded: Settings, path: str, body: object, as_json: bool, *, and_next: bool = False) -> None:
    """Have the running collector record something; show its answer. Exits with code 1 where it refuses."""
    code, answer = call(loaded, path, body)
    if "result" not in answer and "title" not in answer:
        err.print(f"Another program answers at http://{loaded.web.listen}. Nothing recorded", markup=False)
        raise typer.Exit(UNREACHABLE)
    if as_json:
        out.out(json.dumps(answer, ensure_ascii=False))
    else:
        _show(answer, good=code == 200, and_next=and_next)
    if code != 200:
        raise typer.Exit(FAULT)


def _show(answer: dict[str, Any], *, good: bool, and_next: bool) -> None:
    sign = "[bold cyan]✓[/]" if good else "[bold red]✕[/]"
    said = escape(str(answer.get("message") or answer.get("detail")))
    out.print(sign, said, highlight=False, soft_wrap=True)
    if unrecorded := _UNRECORDED.get(answer.get("result", "")):
        out.print(f"  {unrecorded}", highlight=False, soft_wrap=True)
    if and_next and answer.get("next"):
        out.print("  next:", escape(answer["next"]), highlight=False, soft_wrap=True)
    for event in answer.get("events") or ():
        out.print(f"  event {event['seq']}: {event['type']}", highlight=False)


_UNRECORDED = {
    "pending": "Nothing is recorded yet",
    "repeated": "The same as just before: nothing is recorded by it",
}


def _object(body: bytes) -> dict[str, Any]:
    found = json.loads(body)
    if not isinstance(found, dict):
        raise ValueError("another program answers there")
    return found
