"""What is told of an OPC UA server that is lost: once, and why it stays lost where that takes a person."""

from asyncua.ua.status_codes import StatusCodes

from drivers.opcua.pki import Untrusted
from drivers.opcua.settings import OpcUaSettings
from drivers.opcua.telling import Telling
from drivers.opcua.words import Refused
from edge.faults import DeviceFault
from tests.contract.observing import Recorder, TestClock

SETTINGS = OpcUaSettings.model_validate(
    {"driver": "opcua", "endpoint": "opc.tcp://127.0.0.1:4840", "tags": {"count": {"node": "ns=2;i=1"}}}
)
CUT = DeviceFault("closed the connection", hint="Check the cable")
SILENT = DeviceFault("no answer", hint="Check the power")
OTHER = Untrusted("shows another certificate", hint="lineside opcua trust")
LOGIN = Refused("logging in", StatusCodes.BadUserAccessDenied)


def test_of_a_loss_only_what_takes_a_person_is_told_later_each_once_and_as_of_the_same_moment() -> None:
    tell, told = Telling("oven1", SETTINGS, TestClock()), Recorder()
    tell.standing(told, serves=True)
    for fault in (CUT, SILENT, OTHER, SILENT, OTHER, LOGIN, LOGIN, OTHER):
        tell.lost(told, fault)
    assert told.ups == [True, False, False, False]
    assert [link.detail for link in told.links[1:]] == [CUT.message, OTHER.message, LOGIN.message]
    assert {link.at for link in told.links[1:]} == {told.links[1].at}
    assert len(told.batches) == 1, "each tag is told bad once"


def test_the_next_loss_is_another_one_with_reasons_of_its_own() -> None:
    tell, told = Telling("oven1", SETTINGS, TestClock()), Recorder()
    for _ in range(2):
        tell.standing(told, serves=True)
        tell.lost(told, CUT)
        tell.lost(told, OTHER)
    assert told.ups == [True, False, False] * 2
    assert told.links[1].at != told.links[4].at
