"""Writes what is generated from the types: `python -m edge.cli.publish` in the project's folder.

docs/schemas holds the facts, config/lineside.schema.json the configuration. Tests compare both.
"""

from pathlib import Path

from drivers import registry as device_kinds
from edge import schemas, settings
from sync import registry as uplink_kinds

FACTS = Path("docs/schemas")
CONFIGURATION = Path("config/lineside.schema.json")


def configuration() -> str:
    """The configuration's JSON Schema as it stands in its file."""
    return schemas.text(settings.json_schema(device_kinds.KINDS, uplink_kinds.KINDS))


if __name__ == "__main__":
    schemas.write(FACTS)
    CONFIGURATION.parent.mkdir(exist_ok=True)
    CONFIGURATION.write_text(configuration(), encoding="utf-8")
