"""What all tests share."""

import pytest
from hypothesis import settings

UNPROVEN = "NOT PROVEN"  # how the reason of a skip begins that nobody may overlook

# Hypothesis times an example by the wall clock, which on a shared machine says nothing of the code.
settings.register_profile("lineside", deadline=None)
settings.register_profile("deep", deadline=None, max_examples=3000)  # make fuzz
settings.load_profile("lineside")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the end what was left out for want of something outside."""
    reasons = [
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple)
    ]
    unproven = [reason for reason in reasons if reason.startswith(UNPROVEN)]
    if unproven:
        terminalreporter.section("tests that were left out", sep="!", red=True, bold=True)
        for reason in dict.fromkeys(unproven):
            terminalreporter.line(f"{reason} ({unproven.count(reason)} tests)", red=True, bold=True)
