"""What may go wrong. A fault carries the operation, what happened and what to do next.

The supervisor restarts a task that ends with a `Fault`; any other exception ends the process, and systemd
starts it again.
"""


class Fault(Exception):
    """Something that is expected to go wrong now and then, with a hint for the person who sees it."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}. {self.hint}" if self.hint else self.message


class DeviceFault(Fault):
    """A device did not answer, or answered what it should not."""


class StorageFault(Fault):
    """A file could not be opened or written; nothing of the operation was recorded."""


class ForeignFile(StorageFault):
    """A file of another program lies where one of ours belongs."""


class NewerFile(StorageFault):
    """A file was written by a lineside that this one cannot follow."""


class Damaged(StorageFault):
    """SQLite says that a file is malformed, or is none of its files."""


class JournalDamaged(Damaged):
    """The journal does not prove what it holds."""


class RestartNeeded(Exception):
    """Only a new start can help: the process ends, and systemd starts it again."""


class SettingsFault(Fault):
    """The configuration is wrong; `problems` lists all of it at once."""

    def __init__(self, problems: "list[str]") -> None:
        self.problems = problems
        count = len(problems)
        super().__init__(
            f"{count} problem{'s' if count != 1 else ''} in the configuration:\n  " + "\n  ".join(problems)
        )


class AddressInUse(Fault):
    """A page or an interface could not listen where the configuration says."""


class UplinkFault(Fault):
    """A receiver could not be reached or answered outside its contract; everything waits for the next try."""


class MasterDataInvalid(Fault):
    """The ERP's master data does not fit its contract; the data held before stays in use."""


class MasterDataUnreadable(Fault):
    """The master data that is held cannot be read; the line goes on without what it says."""

    def __init__(self, message: str, *, hint: str = "", passing: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.passing = passing  # another look may find it readable
