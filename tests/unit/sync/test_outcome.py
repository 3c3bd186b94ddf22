"""Answers become verdicts as DESIGN, section 6, says; nothing an answer says drops an event."""

import json
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.outcome import Again, Answer, Pause, Reencode, Settled, Split, decide, printable, retry_after_s

IDS = ["a", "b", "c"]
NOW_MS = 1_795_000_000_000


def verdict(status: int, body: bytes | Any = b"", encoding: str = "identity", **headers: str) -> Any:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return decide(Answer(status, names, raw), IDS, encoding, NOW_MS)


def statuses(*results: dict[str, Any]) -> list[str]:
    found = verdict(200, {"results": results})
    assert isinstance(found, Settled)
    return [outcome.status for outcome in found.outcomes]


def said(**by_id: str) -> list[dict[str, Any]]:
    return [{"id": id_, "status": status} for id_, status in by_id.items()]


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        (said(a="accepted", b="duplicate", c="rejected"), ["accepted", "duplicate", "rejected"]),
        (said(c="accepted", b="rejected", a="duplicate"), ["duplicate", "rejected", "accepted"]),
        (said(a="accepted", c="accepted"), ["accepted", "retry", "accepted"]),
        (said(a="accepted", b="ACCEPTED", c="done"), ["accepted", "retry", "retry"]),
        (said(a="accepted", x="rejected", b="accepted", c="accepted"), ["accepted"] * 3),
        (
            said(a="accepted", b="accepted", c="accepted") + said(b="rejected"),
            ["accepted", "retry", "accepted"],
        ),
        (said(a="accepted", b="accepted", c="accepted") * 2, ["accepted"] * 3),
        ([{"id": "a"}, {"status": "accepted"}, {}], ["retry"] * 3),
        ([], ["retry"] * 3),
    ],
)
def test_an_event_is_settled_only_by_an_explicit_word(results: Any, expected: list[str]) -> None:
    assert statuses(*results) == expected


@pytest.mark.parametrize("results", [[], said(x="accepted", y="accepted"), [{"status": "accepted"}] * 3])
def test_an_answer_that_speaks_of_no_fact_that_was_sent_is_told_so(results: Any) -> None:
    found = verdict(200, {"results": results})
    assert found.odd.detail.startswith("answered 200, but none of the 3 ids that were sent is in the answer")
    assert "`id` as it was sent" in found.odd.hint
    assert verdict(200, {"results": said(a="retry")}).odd is None
    alone = decide(Answer(200, {}, b'{"results":[]}'), ["a"], "identity", NOW_MS)
    assert isinstance(alone, Settled) and alone.odd is not None
    assert alone.odd.detail.startswith("answered 200, but the id that was sent is not in the answer")


def test_401_without_a_secret_asks_for_one() -> None:
    found = decide(Answer(401, {}, b""), IDS, "identity", NOW_MS, proven=False)
    assert isinstance(found, Pause) and found.hint.startswith("No token or password is configured")
    assert "token_file" in found.hint and "Renew" not in found.hint
    assert "Renew the token" in verdict(401).hint


@pytest.mark.parametrize("status", [401, 403, 404, 409, 429, 503])
def test_the_problem_document_of_a_whole_call_is_shown_as_title_and_detail(status: int) -> None:
    detail = "closed " * 30 + "for good"
    problem = {"type": "about:blank", "title": "期间已关闭", "detail": detail, "status": status}
    found = verdict(status, problem)
    assert found.detail == f"answered {status}: 期间已关闭: {detail}"
    assert verdict(status, b"<html>busy</html>").detail == f"answered {status}: <html>busy</html>"
    assert verdict(status, {"title": ""}).detail == f'answered {status}: {{"title": ""}}'


def test_odd_documents_do_not_keep_a_fact_from_being_settled() -> None:
    found = verdict(
        200, {"results": [{"id": "a", "status": "accepted", "document": 4711, "posting_date": None}]}
    )
    assert [outcome.document for outcome in found.outcomes] == ["4711", None, None]
    found = verdict(200, {"results": [{"id": "b", "status": "accepted", "document": "x" * 5000}]})
    assert len(found.outcomes[1].document) == 128


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"{}", b"null", b'{"results":null}', b'{"results":{}}', b"\xff\xfe",
     b"[" * 50_000, b'{"results":[{"id":1}]}', b'{"results":[7]}',
     b'{"results":[{"id":"a","status":"accepted"}'],
)  # fmt: skip
def test_garbage_settles_nothing(body: bytes) -> None:
    assert isinstance(verdict(200, body), Again)


@pytest.mark.parametrize(
    ("status", "encoding", "expected"),
    [
        (400, "zstd", Reencode("identity", lasting=False)),
        (400, "gzip", Reencode("identity", lasting=False)),
        (415, "zstd", Reencode("gzip", lasting=True)),
        (415, "gzip", Reencode("identity", lasting=True)),
    ],
)
def test_encodings_step_down(status: int, encoding: str, expected: Reencode) -> None:
    assert verdict(status, encoding=encoding) == expected


@pytest.mark.parametrize("status", [400, 413, 422])
def test_refusals_of_content_are_split(status: int) -> None:
    found = verdict(status, {"title": "bad", "detail": "seq 7"})
    assert found == Split({"title": "bad", "detail": "seq 7"}, too_large=status == 413)
    assert verdict(status, b"<h1>no</h1>").problem == {
        "title": f"answered {status}", "status": status, "detail": "<h1>no</h1>"
    }  # fmt: skip


@pytest.mark.parametrize("status", [401, 403, 404])
def test_refusals_of_us_pause(status: int) -> None:
    found = verdict(status, b"why", "zstd")
    assert isinstance(found, Pause) and "why" in found.detail and found.hint


OTHERS = sorted(set(range(100, 600)) - {200, 400, 401, 403, 404, 413, 422})


@pytest.mark.parametrize("status", OTHERS)
def test_anything_else_is_tried_again(status: int) -> None:
    found = verdict(status, b"x")
    assert isinstance(found, Again) and found.hint


def test_redirects_are_refused_with_their_target() -> None:
    found = verdict(307, location="http://elsewhere/\x1b[31m")
    assert isinstance(found, Again) and "http://elsewhere/ [31m" in found.detail


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("9" * 40, None),
        (formatdate(NOW_MS / 1000 + 90, usegmt=True), 90.0),
        (formatdate(NOW_MS / 1000 - 90, usegmt=True), 0.0),
        ("Sun Nov  6 08:49:37 1994", 0.0),
    ],
)
def test_retry_after_takes_seconds_and_dates(text: str, expected: float | None) -> None:
    assert retry_after_s({"retry-after": text}, NOW_MS) == expected


def test_retry_after_as_a_date_is_taken_against_the_receivers_clock() -> None:
    headers = {
        "retry-after": formatdate(1_000_000_060, usegmt=True),
        "date": formatdate(1_000_000_000, usegmt=True),
    }
    assert retry_after_s(headers, NOW_MS) == 60.0


@given(st.integers(100, 599), st.binary(max_size=300), st.sampled_from(("zstd", "gzip", "identity")))
def test_no_answer_breaks_the_decision(status: int, body: bytes, encoding: str) -> None:
    found = decide(Answer(status, {"retry-after": body.decode("latin-1")}, body), IDS, encoding, NOW_MS)
    if isinstance(found, Settled):
        assert len(found.outcomes) == len(IDS)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from([*IDS, "accepted", "retry"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["id", "status", "document", "problem", "results"]), inner, max_size=5
        )
    ),
    max_leaves=20,
)


@given(json_values)
def test_no_json_breaks_the_decision(value: Any) -> None:
    found = verdict(200, {"results": value})
    assert isinstance(found, Settled | Again)
    if isinstance(found, Settled):
        assert len(found.outcomes) == len(IDS)
        assert {outcome.status for outcome in found.outcomes} <= {
            "accepted",
            "duplicate",
            "rejected",
            "retry",
        }


def test_printable_is_one_line_without_control_characters() -> None:
    assert printable("a\n\tb\x00\x1b[0m  c" + "d" * 99, 10) == "a b [0m cd"
