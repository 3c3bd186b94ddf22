"""What every uplink promises, against a receiver as rude as the contract allows.

After each rudeness every event is posted exactly once, in order, and none is lost.
"""

import base64
from collections.abc import Sequence
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from edge.faults import StorageFault
from edge.journal import Journal
from sync.status import load_document, load_status
from tests.contract.uplink import receiver as rude
from tests.contract.uplink.receiver import Mood, Receiver, results, says
from tests.contract.uplink.rig import START_MS, Rig, facts, rigged


async def posted_once_in_order(rig: Rig, without: Sequence[int] = ()) -> None:
    """Identity and order of all that the receiver holds."""
    expected = [one for one in await rig.expected() if one[0] not in without]
    assert rig.receiver.posted == expected


def set_aside(folder: Path) -> None:
    """Move the journal away, as a restore does."""
    for path in folder.glob("journal.db*"):
        path.rename(folder / path.name.replace("journal", "aside"))


RUDE: dict[str, Mood] = {
    "nothing unusual": results(lambda found: {"results": found}),
    "400 to compressed": says(400),
    "401": says(401),
    "403": says(403),
    "404": says(404),
    "408": says(408),
    "409": says(409, "locked"),
    "429": says(429, Retry_After="7"),
    "500": says(500, "<h1>boom</h1>"),
    "502": says(502),
    "503": says(503, Retry_After="3"),
    "100 years of waiting": says(503, Retry_After="3153600000"),
    "410": says(410),
    "418": says(418),
    "204": says(204),
    "201": says(201, '{"results": []}'),
    "202": says(202),
    "redirect": says(302, Location="http://127.0.0.1:9/elsewhere"),
    "permanent redirect": says(308, Location="/events/masterdata"),
    "HTML 200": says(200, "<html><title>Sign in</title></html>"),
    "empty 200": says(200),
    "JSON that is no answer": says(200, "[1, 2]"),
    "null results": says(200, '{"results": null}'),
    "endless nesting": says(200, "[" * 100_000),
    "bytes that are no text": says(200, "\udcff".encode("utf-8", "surrogateescape").decode("latin-1")),
    "results without ids": says(200, '{"results": [{"status": "accepted"}, {}]}'),
    "ids that are no text": says(200, '{"results": [{"id": 7, "status": "accepted"}]}'),
    "no result": results(lambda found: {"results": []}),
    "first id missing": results(lambda found: {"results": found[1:]}),
    "middle id missing": results(lambda found: {"results": found[:7] + found[8:]}),
    "last id missing": results(lambda found: {"results": found[:-1]}),
    "swapped order": results(lambda found: {"results": found[::-1]}),
    "each result twice": results(lambda found: {"results": found * 2}),
    "extra ids": results(lambda found: {"results": [{"id": "x", "status": "rejected"}, *found]}),
    "unknown status": results(
        lambda found: {
            "results": [{**one, "status": "queued"} if n == 4 else one for n, one in enumerate(found)]
        }
    ),
    "contradiction": results(
        lambda found: {"results": [*found, {"id": found[3]["id"], "status": "rejected"}]}
    ),
    "odd documents": results(
        lambda found: {"results": [{**one, "document": [1, {"a": None}], "posting_date": 7} for one in found]}
    ),
    "retry in the middle": rude.puts_off(5),
    "retry first": rude.puts_off(1),
    "retry last": rude.puts_off(20),
    "answer lost after commit": rude.loses_answer,
    "reset in the middle of the answer": rude.breaks_off,
    "slow drip": rude.drips,
    "flood": rude.floods,
    "wrong Content-Encoding": rude.lies_about_encoding,
    "415": says(415),
}


@pytest.mark.parametrize("name", RUDE)
async def test_posts_each_once_in_order_after(name: str, tmp_path: Path) -> None:
    async with rigged(tmp_path, answer_timeout_s=0.3, connect_timeout_s=0.3) as rig:
        rig.receiver.moods.append(RUDE[name])
        await rig.deliver()
        await posted_once_in_order(rig)
        assert rig.quarantine == [] and rig.alerts() == []
        assert rig.status is not None and rig.status.state == "idle"


NEED_TWENTY = ("first id missing", "middle id missing", "contradiction", "unknown status")  # in one batch


@pytest.mark.parametrize("name", [name for name in RUDE if name not in NEED_TWENTY])
async def test_posts_each_once_in_order_when_rude_five_times_in_small_batches(
    name: str, tmp_path: Path
) -> None:
    async with rigged(tmp_path, batch_events=3, answer_timeout_s=0.1, connect_timeout_s=0.1) as rig:
        rig.receiver.moods.extend([RUDE[name]] * 5)
        await rig.deliver()
        await posted_once_in_order(rig, [waits.seq for waits in rig.quarantine])
        assert len(rig.quarantine) <= 2


async def test_what_is_behind_a_retry_counts_as_not_sent(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        rig.receiver.moods.append(rude.puts_off(5, 9, posts_behind=True))
        await rig.deliver()
        assert rig.receiver.calls[1].seqs == list(range(5, 21))
        assert sorted(rig.receiver.posted) == await rig.expected()


async def test_sends_what_the_contract_says(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    async with rigged(tmp_path, token_file=str(tmp_path / "token"), batch_events=8) as rig:
        await rig.deliver()
        source = rig.journal.source
        assert [call.key for call in rig.receiver.calls] == [
            f"{source}:1-8",
            f"{source}:9-16",
            f"{source}:17-20",
        ]
        assert {call.encoding for call in rig.receiver.calls} == {"zstd"}
        assert {call.authorization for call in rig.receiver.calls} == {"Bearer s3cret"}


async def test_basic_authorization_and_a_renewed_password(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("old")
    async with rigged(tmp_path, user="edge", password_file=str(secret)) as rig:
        right = "Basic " + base64.b64encode(b"edge:n\xc3\xa9w").decode()

        async def guard(_: Receiver, request: web.Request, __: Any) -> web.Response | None:
            if request.headers["Authorization"] == right:
                return None
            secret.write_text("néw\n")
            return web.Response(status=401)

        rig.receiver.always = guard
        await rig.deliver()
        await posted_once_in_order(rig)
        assert rig.time.slept_s == [60.0]


async def test_a_missing_secret_pauses_and_sends_nothing(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    async with rigged(tmp_path, token_file=str(secret)) as rig:
        rig.start()
        await rig.until(lambda: rig.status is not None and rig.status.state == "paused")
        assert rig.receiver.calls == [] and rig.alerts() == ["uplink.erp.paused"]
        secret.write_text("here")
        await rig.drained()
        await posted_once_in_order(rig)
        assert rig.alerts() == [] and rig.alerts(standing=False) == ["uplink.erp.paused"]


async def test_401_pauses_raises_one_alert_and_goes_on_when_repaired(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        rig.receiver.moods.extend([says(401, "token expired")] * 4)
        await rig.deliver()
        await posted_once_in_order(rig)
        assert rig.alerts(standing=False) == ["uplink.erp.paused"]
        assert rig.time.slept_s == [60.0] * 4


async def test_a_pause_says_what_is_wrong_now_and_the_log_each_thing_once_and_after_a_restart(
    tmp_path: Path,
) -> None:
    async with rigged(tmp_path) as rig:
        rig.receiver.moods.extend([says(401, "no token")] * 3)
        rig.receiver.always = says(403, "no right to post")
        with capture_logs() as logged:
            rig.start()
            await rig.until(lambda: len(rig.time.slept_s) > 6)
            await rig.stop()
            rig.start()
            await rig.until(lambda: len(rig.time.slept_s) > 9)
        (alert,) = [one for one in load_status(rig.store.path).alerts if one.cleared_ms is None]
        assert "answered 403" in alert.text and "right to post" in alert.hint
        said = [one["detail"][:12] for one in logged if one["event"] == "delivery waits"]
        assert said == ["answered 401", "answered 403", "answered 403"]


async def test_the_author_of_an_endpoint_is_told_what_is_wrong_with_it(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        rig.receiver.always = results(lambda found: {"results": [one | {"id": "4711"} for one in found]})
        rig.start()
        await rig.until(lambda: rig.status is not None and rig.status.state == "backoff")
        assert rig.status is not None and "none of the 20 ids that were sent is in" in rig.status.detail
        assert "`id` as it was sent" in rig.status.hint and rig.seq == 0
        rig.receiver.always = says(401, '{"title": "Unauthorized", "detail": "who are you?"}')
        await rig.until(lambda: rig.status is not None and rig.status.state == "paused")
        assert rig.status.detail == "answered 401: Unauthorized: who are you?"
        assert rig.status.hint.startswith("No token or password is configured for this uplink")
        rig.receiver.always = None
        await rig.drained()
        await rig.stop()


async def test_the_encoding_ladder_is_remembered(tmp_path: Path) -> None:
    async with rigged(tmp_path, batch_events=5) as rig:
        rig.receiver.always = rude.takes_only("identity", otherwise=415)
        await rig.deliver()
        await posted_once_in_order(rig)
        assert [call.encoding for call in rig.receiver.calls] == ["zstd", "gzip"] + ["identity"] * 4


async def test_gzip_is_remembered(tmp_path: Path) -> None:
    async with rigged(tmp_path, batch_events=5) as rig:
        rig.receiver.always = rude.takes_only("gzip", otherwise=415)
        await rig.deliver()
        await posted_once_in_order(rig)
        assert [call.encoding for call in rig.receiver.calls] == ["zstd"] + ["gzip"] * 4


async def test_a_receiver_that_answers_400_to_compression_is_served_without(tmp_path: Path) -> None:
    async with rigged(tmp_path, batch_events=5) as rig:
        rig.receiver.always = rude.takes_only("identity", otherwise=400)
        await rig.deliver()
        await posted_once_in_order(rig)
        assert [call.encoding for call in rig.receiver.calls] == ["zstd"] + ["identity"] * 4


@pytest.mark.parametrize("status", [400, 413, 422])
@pytest.mark.parametrize("poison", [[1], [137], [300], [2, 3], [7, 150, 299]])
async def test_bisection_isolates_poison_and_posts_the_rest(
    status: int, poison: list[int], tmp_path: Path
) -> None:
    async with rigged(tmp_path, 300) as rig:
        rig.receiver.always = rude.refuses_with(*poison, status=status)
        await rig.deliver()
        await posted_once_in_order(rig, poison)
        assert [waits.seq for waits in rig.quarantine] == poison
        assert rig.quarantine[0].problem["title"] == "cannot read a fact"
        assert rig.alerts() == ["uplink.erp.quarantine"]
        assert len(rig.receiver.calls) < 70 * len(poison)


async def test_three_isolated_rejections_in_a_row_pause(tmp_path: Path) -> None:
    async with rigged(tmp_path, 40) as rig:
        rig.receiver.always = says(422, "wrong endpoint")
        rig.start()
        await rig.until(lambda: rig.status is not None and rig.status.state == "paused")
        assert [waits.seq for waits in rig.quarantine] == [1, 2]
        assert sorted(rig.alerts()) == ["uplink.erp.paused", "uplink.erp.quarantine"]
        rig.receiver.always = None
        await rig.drained()
        await posted_once_in_order(rig, [1, 2])
        await rig.review("retried", [waits.id for waits in rig.quarantine])
        await rig.until(lambda: not rig.quarantine)
        assert sorted(rig.receiver.posted) == await rig.expected()
        assert rig.alerts() == []


async def test_a_size_limit_is_found_and_kept_to(tmp_path: Path) -> None:
    async with rigged(tmp_path, 200) as rig:
        rig.receiver.always = rude.limited_to(12_000)
        await rig.deliver()
        await posted_once_in_order(rig)
        refused = len(rig.receiver.calls) - 200 / len(rig.receiver.calls[-2].seqs)
        assert rig.quarantine == [] and refused < 8


async def test_retry_after_is_honoured_and_bounded(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        at = formatdate(START_MS / 1000 + 40, usegmt=True)
        date = formatdate(START_MS / 1000, usegmt=True)
        rig.receiver.moods.extend(
            [
                says(503, Retry_After="30"),
                says(429, Retry_After=at, Date=date),
                says(503, Retry_After="99999999"),
                says(503, Retry_After="soon"),
            ]
        )
        await rig.deliver()
        await posted_once_in_order(rig)
        assert rig.time.slept_s == [30.0, 40.0, 900.0, 4.0]


async def test_an_outage_is_outlasted_with_growing_pauses(tmp_path: Path) -> None:
    async with rigged(tmp_path, backoff_max_s=20) as rig:
        rig.receiver.moods.extend([says(503)] * 8)
        await rig.deliver()
        await posted_once_in_order(rig)
        assert rig.time.slept_s == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0]


async def test_a_receiver_too_slow_for_a_whole_portion_gets_smaller_ones(tmp_path: Path) -> None:
    async with rigged(tmp_path, count=200, answer_timeout_s=0.3, batch_events=100) as rig:
        rig.receiver.always = rude.overwhelmed_by_more_than(30)
        await rig.deliver()
        await posted_once_in_order(rig)
        sizes = [len(call.seqs) for call in rig.receiver.calls]
        assert sizes[:4] == [100, 100, 50, 25] and sum(size > 30 for size in sizes) < 6
        rig.receiver.always = None
        await rig.append(*facts(1500, first=1000))
        await rig.deliver(batch_events=100)
        await posted_once_in_order(rig)
        assert len(rig.receiver.calls[-2].seqs) == 100  # a new process begins with whole portions


async def test_one_time_out_alone_makes_no_portion_smaller(tmp_path: Path) -> None:
    async with rigged(tmp_path, count=100, answer_timeout_s=0.3, batch_events=50) as rig:
        rig.receiver.moods.append(rude.overwhelmed_by_more_than(0))
        await rig.deliver()
        assert [len(call.seqs) for call in rig.receiver.calls] == [50, 50, 50]


async def test_released_facts_go_to_a_slow_receiver_in_smaller_portions_too(tmp_path: Path) -> None:
    async with rigged(tmp_path, count=60, answer_timeout_s=0.3) as rig:
        rig.receiver.poison = set(range(10, 50))
        await rig.deliver()
        rig.receiver.poison, rig.receiver.always = set(), rude.overwhelmed_by_more_than(15)
        await rig.review("retried", [one.id for one in rig.quarantine])
        rig.start()
        await rig.until(lambda: not rig.quarantine)
        assert {seq for seq, _ in rig.receiver.posted} == set(range(1, 62))
        assert len(rig.receiver.posted) == 61


async def test_nobody_listening_is_outlasted(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        rig.start(url="http://127.0.0.1:1/events")
        await rig.until(lambda: rig.status is not None and rig.status.state == "backoff")
        assert rig.status is not None and "no connection" in rig.status.detail
        await rig.stop()
        await rig.deliver(url=rig.receiver.url)
        await posted_once_in_order(rig)


async def test_new_events_follow_without_being_asked_for(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        rig.start()
        await rig.drained()
        for number in range(5):
            await rig.append(*facts(2, first=100 + 2 * number))
            await rig.drained()
        await posted_once_in_order(rig)


async def test_batches_keep_to_their_bytes(tmp_path: Path) -> None:
    async with rigged(tmp_path, 1, batch_bytes=4096) as rig:
        await rig.append(*[fact.__class__(reason="x" * 700 + str(n)) for n, fact in enumerate(facts(30))])  # type: ignore[call-arg]
        await rig.append(facts(1)[0].__class__(reason="x" * 20_000))  # type: ignore[call-arg]
        await rig.append(*facts(3))
        rows = dict(await rig.journal.read_after(0, 1000))
        await rig.deliver()
        await posted_once_in_order(rig)
        for call in rig.receiver.calls:
            size = sum(len(rows[seq]) + 1 for seq in call.seqs) + 1
            assert size <= 4096 or len(call.seqs) == 1
        assert max(len(call.seqs) for call in rig.receiver.calls) > 3


async def test_a_full_uncompressed_batch_of_one_mebibyte_goes_out(tmp_path: Path) -> None:
    async with rigged(tmp_path, 1) as rig:
        rig.receiver.always = rude.takes_only("identity", otherwise=415)
        await rig.append(*[facts(1)[0].__class__(reason=f"{n}" * 8000) for n in range(10, 90)])  # type: ignore[call-arg]
        await rig.append(facts(1)[0].__class__(reason="x" * 1_500_000))  # type: ignore[call-arg]
        await rig.deliver()
        await posted_once_in_order(rig)


async def test_start_at_head_leaves_out_what_was_before(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        rig.start(start="head")
        await rig.until(lambda: rig.seq == 20)
        await rig.append(*facts(3, first=50))
        await rig.drained()
        await posted_once_in_order(rig, range(1, 21))
        await rig.stop()
        await rig.deliver(start="oldest")  # a known uplink goes on where it stands
        await posted_once_in_order(rig, range(1, 21))


async def test_documents_are_kept(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        rig.receiver.poison = {4}
        await rig.deliver()
        path, epoch = rig.store.path, rig.journal.epoch
        assert load_document(path, "erp", epoch, 7) == ("D7", None)
        assert load_document(path, "erp", epoch, 4) is None
        assert load_document(path, "erp", epoch, 99) is None


async def test_waits_for_a_journal_that_is_not_there_yet(tmp_path: Path) -> None:
    folder = tmp_path / "later"
    async with rigged(tmp_path) as rig:
        folder.mkdir()
        rig.folder = folder
        rig.start()
        while len(rig.time.slept_s) < 20:
            await rig.time.sleep(0)
        assert rig.status is None
        async with await Journal.open(tmp_path / "made.db", "site", "other", rig.time) as journal:
            source = journal.source
        (tmp_path / "made.db").rename(folder / "journal.db")
        await rig.until(lambda: rig.seq == 1)
        assert rig.receiver.calls[0].key == f"{source}:1-1"


async def test_a_new_epoch_begins_at_one_and_says_so(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.deliver()
        before = rig.journal.epoch
        await rig.journal.close()
        set_aside(tmp_path)
        rig.journal = await Journal.open(tmp_path / "journal.db", "site", "edge", rig.time)
        await rig.append(*facts(4, first=500))
        rig.receiver.posted.clear()
        await rig.deliver()
        await posted_once_in_order(rig)
        assert rig.alerts() == [f"uplink.erp.epoch.{before}"]


async def test_a_journal_replaced_while_it_runs_is_noticed_and_the_old_one_emptied(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        rig.start()
        await rig.drained()
        await rig.append(*facts(3, first=900))
        old = await rig.expected()
        await rig.journal.close()
        set_aside(tmp_path)
        rig.journal = await Journal.open(tmp_path / "journal.db", "site", "edge", rig.time)
        await rig.append(*facts(4, first=500))
        epoch = rig.journal.epoch
        await rig.until(lambda: rig.status is not None and rig.status.epoch == epoch and rig.seq == 5)
        assert rig.receiver.posted == old + await rig.expected()


async def test_a_journal_behind_the_cursor_halts(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.store.begin("erp", rig.journal.epoch, 25, START_MS)
        rig.start()
        await rig.until(lambda: rig.alerts() == ["uplink.erp.halted"])
        await rig.append(*facts(10, first=100))
        assert rig.receiver.calls == []


async def test_a_second_writer_of_sync_db_is_refused(tmp_path: Path) -> None:
    from sync.store import Store

    async with rigged(tmp_path) as rig:
        with pytest.raises(StorageFault, match="in use by another"):
            await Store.open(rig.store.path)
