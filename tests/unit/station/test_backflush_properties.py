"""For any shift: what is backflushed is bill times output, rounded once, and taken from lots in order."""

from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge import events as e
from tests.unit.station.floor import Floor
from tests.unit.station.test_backflush import floor

LINES = {
    "20": {"material": "OIL", "substitutes": ["OIL-B"], "lot_required": True},
    "21": {"material": "OIL", "unit": "DZN"},
    "22": {"material": "OIL-G", "unit": "KGM", "posted_by": "erp"},
    "23": {"material": "OIL-B", "basis": "fixed"},
    "24": {"material": "STEEL-4", "unit": "KGM", "method": "scanned"},
}
THIRD = Fraction(1, 3)  # a DZN of OIL in LTR, by the master data of these tests
MOVES = st.one_of(
    st.sampled_from(
        (
            "LSL O1",
            "LSL O2",
            "LSL P1",
            "LSL G1",
            "LSCUNMOUNT,LSL O1",
            "LSCUNMOUNT,LSL O2",
            "LSCUNMOUNT,LSL P1",
        )
    ),
    st.sampled_from(
        (
            "LSCSCRAP04",
            "LSCSCRAP04,LSQ3",
            "LSCREWORK04",
            "LSCUNDO,LSCOK",
            "LSCUNDO,LSCOK",
            "LSCSETUP,LSCGO,LSCOK",
        )
    ),
    st.sampled_from(
        ("LSL A1,LSQ3", "LSCRETURN,LSL A1,LSQ2", "LSCEXTRA07,LSL O1,LSQ1", "LSCDONE,LSQ40,LSCOK")
    ),
    st.integers(1, 30),  # a report that brings the total there
    st.just("restart"),
)
RATES = st.fixed_dictionaries(
    {line: st.decimals("0.001", "3", places=3).map(lambda rate: format(rate, "f")) for line in LINES}
)
PLACES = st.fixed_dictionaries({"LTR": st.sampled_from((0, 2, 6)), "KGM": st.sampled_from((0, 3))})


def played(moves: list[object], rates: dict[str, str], places: dict[str, int]) -> Iterator[Floor]:
    """The floor after each move."""
    bill = [{"line": line, "quantity": rates[line]} | about for line, about in LINES.items()]
    here = floor(*bill, places=places, quantity="40")
    for move in moves:
        if move == "restart":
            here.restart()
        elif isinstance(move, int):
            here.scan("LSCPART", f"LSQ{move}", "LSCOK")
        else:
            here.scan(*str(move).split(","))
        yield here


def standing(here: Floor) -> list[e.Event]:
    """The events that were not corrected, and whose cause was not."""
    gone = {event.data.corrects for event in here.events if isinstance(event.data, e.WorkCorrected)}
    return [event for event in here.events if not gone & {event.id, getattr(event.data, "caused_by", None)}]


def backflushed(here: Floor) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for event in standing(here):
        fact = event.data
        if isinstance(fact, e.MaterialConsumed) and fact.method == "backflushed":
            assert fact.bom_line is not None and fact.quantity > 0
            sums[fact.bom_line] = sums.get(fact.bom_line, Decimal(0)) + fact.quantity
    return sums


def asked(here: Floor, rates: dict[str, str], places: dict[str, int]) -> dict[str, Decimal]:
    """The bill times all that came out, rounded once: worked out from the reports alone."""
    base = sum(
        output.quantity
        for event in standing(here)
        if isinstance(event.data, e.WorkReported)
        for output in event.data.outputs
    )
    found = {}
    for line, about in LINES.items():
        if about.get("method") == "scanned":
            continue
        times = int(base > 0) if about.get("basis") == "fixed" else Fraction(base)
        exact = Fraction(rates[line]) * times * (THIRD if about.get("unit") == "DZN" else 1)
        step = places["KGM" if about.get("unit") == "KGM" else "LTR"]
        scaled = Decimal(exact.numerator) * 10**step / Decimal(exact.denominator)
        found[line] = scaled.quantize(Decimal(1), ROUND_HALF_UP).scaleb(-step)
    return {line: quantity for line, quantity in found.items() if quantity}


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(MOVES, min_size=6, max_size=14), RATES, PLACES)
def test_what_is_backflushed_is_at_every_moment_the_bill_times_the_output(
    moves: list[object], rates: dict[str, str], places: dict[str, int]
) -> None:
    for here in played(moves, rates, places):
        assert backflushed(here) == asked(here, rates, places)
        assert here.refolded() == here.line


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(MOVES, min_size=6, max_size=14), RATES, PLACES)
def test_a_lot_is_used_up_before_the_next_and_never_beyond_what_there_was(
    moves: list[object], rates: dict[str, str], places: dict[str, int]
) -> None:
    *_, here = (None, *played(moves, rates, places))
    shelf: list[list[object]] = []  # material, lot, what is left: worked out from the facts alone
    caused: dict[str, list[e.MaterialConsumed]] = {}
    for event in here.events if here else ():
        match event.data:
            case e.LotUnmounted() as fact:
                shelf = [lot for lot in shelf if lot[:2] != [fact.material, fact.lot]]
            case e.LotMounted() as fact:
                shelf = [lot for lot in shelf if lot[:2] != [fact.material, fact.lot]]
                shelf.append([fact.material, fact.lot, fact.quantity])
            case e.MaterialConsumed() as fact:
                caused.setdefault(fact.caused_by or event.id, []).append(fact)
                _take(shelf, fact)
            case e.WorkCorrected() as fact:
                for one in caused.get(fact.corrects, ()):
                    _add(shelf, one, one.quantity)


def _take(shelf: list[list[object]], fact: e.MaterialConsumed) -> None:
    if fact.method == "backflushed":
        allowed = [LINES[fact.bom_line or ""]["material"], *LINES[fact.bom_line or ""].get("substitutes", ())]
        fitting = [lot for lot in shelf if lot[0] in allowed and lot[2]]
        if fact.lot is None:
            assert not fitting, "a lot was left"
            return
        assert fitting and fitting[0][:2] == [fact.material, fact.lot], "not the first that was left"
        assert fact.quantity <= fitting[0][2]  # type: ignore[operator]
    _add(shelf, fact, -fact.quantity)


def _add(shelf: list[list[object]], fact: e.MaterialConsumed, quantity: Decimal) -> None:
    for lot in shelf:
        if lot[:2] == [fact.material, fact.lot]:
            lot[2] = max(Decimal(0), lot[2] + quantity)  # type: ignore[operator]
