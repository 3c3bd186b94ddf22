"""Calls the local API of the running collector."""

import json
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any

import typer

from edge.cli.common import UNREACHABLE, err
from edge.settings import Settings


def call(loaded: Settings, path: str, body: object = None) -> tuple[int, dict[str, Any]]:
    """Status and answer of the running collector; exits with code 3 where it does not answer."""
    url = f"http://{loaded.web.listen}{path}"
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, _object(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, _object(error.read())
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        err.print(f"The collector does not answer at http://{loaded.web.listen}: {reason}", markup=False)
        err.print("Start it with `lineside run`, or: systemctl status lineside-collect", markup=False)
        raise typer.Exit(UNREACHABLE) from error


def _object(body: bytes) -> dict[str, Any]:
    found = json.loads(body)
    if not isinstance(found, dict):
        raise ValueError("another program answers there")
    return found
