"""Where each receiver stands, as the composition root fills it in, and the page's sentence about it.

The sentence never promises more than is known: "all delivered" only where nothing waits and nothing is
refused. Whatever the receivers do, the facts are safe in the journal, and the sentence says so.
"""

import msgspec

from edge.station.texts import Text

STOPPED = ("paused", "halted", "removed")  # states that end only when a person acts


class Receiver(msgspec.Struct, frozen=True):
    """What is known of one uplink or consumer."""

    name: str
    online: bool
    state: str = ""
    waiting: int = 0  # events behind the cursor
    settled_through: int = 0  # the cursor's seq
    posted: int = 0  # the same under its first name, kept in JSON for those that read it; it is no count
    quarantined: int = 0  # rejected, or held behind a rejected one
    detail: str = ""  # what happened, in words
    hint: str = ""  # what to do


class Delivery(msgspec.Struct, frozen=True):
    """All receivers; none where none is configured."""

    receivers: tuple[Receiver, ...] = ()
    fault: str = ""  # why nothing is known
    running: bool | None = None  # whether sync runs, where that is known


class Summary(msgspec.Struct, frozen=True):
    """The footer: `calm`, `notice` (nobody needs to act) or `bad` (somebody must)."""

    tone: str
    text: Text


def summary(delivery: Delivery, missed: bool = False) -> Summary:
    """What the footer says; the worst receivers hide the others. `missed`: sync has not run for a while."""
    if missed:
        return Summary(
            "bad",
            Text("Delivery not running, all kept: call shift leader", "传输未运行，数据已保存：请叫班长"),
        )
    if delivery.fault:
        return Summary("notice", Text("Delivery unknown; all kept here", "传输状态未知，数据已存本机"))
    if not delivery.receivers:
        return Summary("calm", Text("No ERP connected; all kept here", "未连接ERP，数据已存本机"))
    if delivery.running is False:
        waiting = max(one.waiting for one in delivery.receivers)
        return Summary(
            "notice",
            Text(
                f"Delivery not running: {waiting} waiting, safe", f"传输未运行：{waiting}条待传，数据已保存"
            ),
        )
    alone = len(delivery.receivers) == 1
    lines = [_line(one, "ERP" if alone else one.name) for one in delivery.receivers]
    tone = next(tone for tone in ("bad", "notice", "calm") if any(line.tone == tone for line in lines))
    shown = [line.text for line in lines if line.tone == tone]
    return Summary(tone, Text("; ".join(one.en for one in shown), "；".join(one.zh for one in shown)))


def _line(one: Receiver, name: str) -> Summary:
    waiting = one.waiting
    if one.quarantined:
        return Summary(
            "bad",
            Text(
                f"{name} refused {one.quarantined}, all kept: call shift leader",
                f"{name}拒收{one.quarantined}条，数据已保存：请叫班长",
            ),
        )
    if one.state in STOPPED:
        return Summary(
            "bad",
            Text(
                f"{name} stopped: {waiting} waiting, safe; call shift leader",
                f"{name}已停止：{waiting}条待传，数据已保存，请叫班长",
            ),
        )
    if not one.online:
        return Summary(
            "notice",
            Text(f"{name} offline: {waiting} waiting, safe", f"{name}离线：{waiting}条待传，数据已保存"),
        )
    if waiting:
        return Summary(
            "calm",
            Text(f"{name} online: sending {waiting}", f"{name}在线：正在传送{waiting}条"),
        )
    return Summary("calm", Text(f"{name} online: all delivered", f"{name}在线：已全部传送"))
