"""The footer never promises more than is known."""

import pytest

from edge.web.delivery import Delivery, Receiver, summary


@pytest.mark.parametrize(
    ("delivery", "tone", "en", "zh"),
    [
        (Delivery(), "calm", "No ERP connected; all kept here", "未连接ERP，数据已存本机"),
        (Delivery(fault="x"), "notice", "Delivery unknown; all kept here", "传输状态未知，数据已存本机"),
        (Delivery((Receiver("a", True),)), "calm", "ERP online: all delivered", "ERP在线：已全部传送"),
        (
            Delivery((Receiver("a", False, "backoff", 14),)),
            "notice",
            "ERP offline: 14 waiting, safe",
            "ERP离线：14条待传，数据已保存",
        ),
        (
            Delivery((Receiver("a", False, "backoff", 14), Receiver("b", True))),
            "notice",
            "a offline: 14 waiting, safe",
            "a离线：14条待传，数据已保存",
        ),
        (
            Delivery((Receiver("a", True, "idle", 7), Receiver("b", True, "idle", 30)), running=False),
            "notice",
            "Delivery not running: 30 waiting, safe",
            "传输未运行：30条待传，数据已保存",
        ),
        (
            Delivery((Receiver("a", True), Receiver("b", True, "shipping", 2))),
            "calm",
            "a online: all delivered; b online: sending 2",
            "a在线：已全部传送；b在线：正在传送2条",
        ),
    ],
)
def test_the_sentence_says_what_is_known(delivery: Delivery, tone: str, en: str, zh: str) -> None:
    said = summary(delivery)
    assert (said.tone, said.text.en, said.text.zh) == (tone, en, zh)


@pytest.mark.parametrize(
    "delivery",
    [
        Delivery((Receiver("a", True, "idle", 30),), running=False),
        Delivery((Receiver("a", True, "idle", 0, quarantined=1),), running=False),
        Delivery(fault="sync.db cannot be read"),
    ],
)
def test_delivery_that_has_not_run_for_a_while_is_for_a_person_whatever_else_is_known(
    delivery: Delivery,
) -> None:
    said = summary(delivery, missed=True)
    assert said.tone == "bad"
    assert said.text.en == "Delivery not running, all kept: call shift leader"
    assert said.text.zh == "传输未运行，数据已保存：请叫班长"


@pytest.mark.parametrize(
    "receiver", [Receiver("a", True, "idle", 0, quarantined=1), Receiver("a", False, "halted", 3)]
)
def test_what_waits_for_a_person_is_never_all_delivered(receiver: Receiver) -> None:
    said = summary(Delivery((receiver,)))
    assert said.tone == "bad"
    assert "call shift leader" in said.text.en
    assert "请叫班长" in said.text.zh
