"""What drivers and uplinks build their own settings on."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator

from edge.settings.parts import Exposure, Part, Seconds
from edge.settings.wording import masked

_LARGEST = Decimal("1e20")


def _sized(value: Decimal) -> Decimal:
    if value and not 1 / _LARGEST <= abs(value) <= _LARGEST:
        raise ValueError("is out of all proportion; allowed: 0, or 1e-20 to 1e20 in size")
    return value


# What values are multiplied with, shifted by, or compared with. Beyond these sizes every value would be 0, or
# none at all.
Factor = Annotated[Decimal, Field(allow_inf_nan=False), AfterValidator(_sized)]


class DeviceSettings(Part):
    """What every driver's settings have. `tags` is overridden by drivers that read tags."""

    scans: ClassVar[bool] = False  # whether the device is a scanner
    driver: str
    alert_after_s: Annotated[float, Field(ge=0, le=86400, allow_inf_nan=False)] = (
        300  # lost so long; 0: never
    )

    @property
    def tag_names(self) -> frozenset[str]:
        return frozenset(getattr(self, "tags", ()))

    @property
    def place(self) -> str:
        """Where the device is, as people look for it; a driver with other words for it overrides this."""
        parts = [str(part) for key in ("host", "port") if (part := getattr(self, key, None)) is not None]
        places = (getattr(self, key, None) for key in ("endpoint", "url", "path"))
        return ":".join(parts) or next((str(masked(str(one))) for one in places if one is not None), "")

    @property
    def claim(self) -> tuple[str, str] | None:
        """The port or address of this machine that the device is served at, and the bus there.

        Devices on one bus share it; with the bus "" it is for one device alone. None: nothing is claimed.
        """
        return None

    def located(self, folder: Path, credentials: Path | None, data_dir: Path) -> "DeviceSettings":
        """The same with absolute paths of its files: `folder` is the configuration's."""
        return self


class ReconnectingSettings(DeviceSettings):
    """What a device has that is asked again and again while it is lost, less and less often."""

    reconnect_min_s: Annotated[Seconds, Field(ge=0.05, le=60)] = 0.5
    reconnect_max_s: Annotated[Seconds, Field(ge=0.05, le=60)] = 10.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.reconnect_max_s < self.reconnect_min_s:
            raise ValueError(
                f"reconnect_max_s = {self.reconnect_max_s} is shorter than reconnect_min_s; "
                f"allowed: {self.reconnect_min_s} to 60"
            )
        return self


AlertAfter = Annotated[int, Field(ge=1, le=10080)]  # minutes without any delivery that become an alert


class UplinkSettings(Part):
    """What every uplink's settings have."""

    kind: str

    @property
    def place(self) -> str:
        """Where it is reached, as people look for it."""
        return ""

    @property
    def exposure(self) -> Exposure | None:
        """Why others can read what goes over it; None where it is encrypted or stays on this machine."""
        return None

    @property
    def delivers_masterdata(self) -> bool:
        """Whether the receiver is asked for master data."""
        return False

    def receivers(self, name: str) -> tuple[str, ...]:
        """Who has a cursor of its own, where this is the uplink `name`: itself, or who pulls over it."""
        return (name,)

    def located(self, folder: Path, credentials: Path | None) -> "UplinkSettings":
        """The same with absolute paths of its files: `folder` is the configuration's."""
        return self
