"""What a charge file may hold, and what it may not: refused with a reason, never with a crash (Q10)."""

import contextlib
import gzip
import io
import json
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoices.focus import LONGEST_LINE, BadRow, ChargeRow, FileRefused, digest, read_charges, unpacked
from invoices.tests.focus_files import COLUMNS, focus


def read(content: bytes) -> list[ChargeRow | BadRow]:
    return list(read_charges(io.BytesIO(content)))


def only(content: bytes) -> ChargeRow:
    (row,) = read(content)
    assert isinstance(row, ChargeRow), row
    return row


def reason(**change: str) -> str:
    (row,) = read(focus(change))
    assert isinstance(row, BadRow), row
    return row.refusal.reason


def test_a_charge_is_read_as_delivered():
    assert only(focus({})) == ChargeRow(
        row_number=1,
        account_id="123",
        account_name="SunBird",
        sub_account_id="sub-1",
        sub_account_name="Atlas",
        month=date(2024, 9, 1),
        category="Usage",
        charge_class="",
        service_name="Simple Queue",
        sku_id="G95",
        description="$0.40 per million requests",
        resource_id="arn:sqs:1",
        region="us-west-2",
        quantity=Decimal(2),
        unit="Requests",
        cost=Decimal("0.0000008"),
        currency="USD",
        started_at=datetime(2024, 9, 18, 22, tzinfo=UTC),
        ended_at=datetime(2024, 9, 18, 23, tzinfo=UTC),
        service_subcategory="",
        sku_meter="",
        fingerprint=only(focus({})).fingerprint,
        tags='{"application": "Bright"}',
    )


def test_where_nothing_was_consumed_the_priced_quantity_counts():
    row = only(focus({"ConsumedQuantity": "NULL", "ConsumedUnit": "NULL"}))

    assert (row.quantity, row.unit) == (Decimal("0.000002"), "Millions")
    nothing = only(focus({"ConsumedQuantity": "", "PricingQuantity": "NULL", "PricingUnit": ""}))
    assert (nothing.quantity, nothing.unit) == (None, "")


def test_a_charge_of_the_account_itself_stands_under_the_accounts_id():
    assert only(focus({"SubAccountId": "NULL"})).sub_account_id == "123"


@pytest.mark.parametrize(
    ("written", "cost"),
    [
        ("-2.61370000000", "-2.6137"),
        ("+.5", "0.5"),
        ("5.", "5"),
        ("1.5E-7", "0.00000015"),
        ("99999999999999999999.999999999999999999", "99999999999999999999.999999999999999999"),
        ("0.0000000000000000010000000000000000000000", "0.000000000000000001"),
        ("0e-900", "0"),
    ],
)
def test_3_9_a_cost_keeps_every_digit(written, cost):
    assert only(focus({"BilledCost": written})).cost == Decimal(cost)


@pytest.mark.parametrize(
    "written",
    ["", "12,5", "1 000", "ten", "1.2.3", "NaN", "Infinity", "1e", "0x10", "１２", "--1", "€ 5", "1_000", "NULL"],
)
def test_T28_letters_in_an_amount_are_refused(written):
    assert reason(BilledCost=written) == "not a number"


@pytest.mark.parametrize("written", ["1e20", "100000000000000000000", "0.0000000000000000001", "1e999", "1e-999"])
def test_T28_what_the_column_cannot_hold_is_refused_and_not_cut(written):
    assert reason(BilledCost=written) == "more digits than are kept"
    assert reason(ConsumedQuantity=written) == "more digits than are kept"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"ChargeCategory": "Tax"}, "tax is computed here"),
        ({"ChargeCategory": "usage"}, "unknown charge category"),
        ({"BillingCurrency": "EURO"}, "unknown currency"),
        ({"BillingCurrency": "XAU"}, "unknown currency"),
        ({"BillingCurrency": ""}, "unknown currency"),
        ({"BillingAccountId": " "}, "empty field"),
        ({"ServiceName": "NULL"}, "empty field"),
        ({"BillingPeriodStart": "2024-13-01"}, "not a date"),
        ({"BillingPeriodStart": "yesterday"}, "not a date"),
        ({"ChargePeriodStart": "31-02-2024"}, "not a date"),
        ({"ChargePeriodStart": "0001-01-01"}, "not a date"),
        ({"ChargePeriodEnd": "9999-12-31"}, "not a date"),
        ({"ChargePeriodEnd": ""}, "not a date"),
        ({"ChargePeriodEnd": "2024-09-18 21:59:59"}, "ends before it starts"),
        ({"ServiceName": "x" * 201}, "text too long"),
        ({"BillingAccountName": "x" * 100_000}, "text too long"),
        ({"ChargeDescription": "a\0b"}, "holds a NUL character"),
        ({"Tags": "{"}, "tags are not JSON"),
        ({"Tags": "[1]"}, "tags are not JSON"),
        ({"Tags": '{"a": NaN}'}, "tags are not JSON"),
        ({"Tags": '{"a": "\\u0000"}'}, "tags are not JSON"),
        ({"Tags": '{"a": "\\ud800"}'}, "tags are not JSON"),
        ({"Tags": "[" * 10_000}, "tags are not JSON"),
    ],
)
def test_Q10_a_row_that_is_no_charge_is_refused_with_its_reason_and_the_next_is_read(change, why):
    first, bad, last = read(focus({}, change, {}))

    assert bad.refusal.reason == why
    assert (first.row_number, bad.row_number, last.row_number) == (1, 2, 3)
    assert isinstance(first, ChargeRow)
    assert isinstance(last, ChargeRow)


def test_figures_in_tags_are_kept_as_they_were_written():
    assert json.loads(only(focus({"Tags": '{"n": 1e400, "m": 12345678901234567890, "b": true}'})).tags) == {
        "n": "1e400",
        "m": "12345678901234567890",
        "b": True,
    }


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2024-09-18T22:00:00Z", datetime(2024, 9, 18, 22, tzinfo=UTC)),
        ("2024-09-18T22:00:00+02:00", datetime(2024, 9, 18, 20, tzinfo=UTC)),
        ("2024-09-18", datetime(2024, 9, 18, tzinfo=UTC)),
    ],
)
def test_moments_are_iso_8601_and_utc_without_a_zone(written, moment):
    assert only(focus({"ChargePeriodStart": written})).started_at == moment


def test_I33_the_month_is_that_of_the_billing_period_as_delivered():
    assert only(focus({"BillingPeriodStart": "2024-10-01T00:00:00+02:00"})).month == date(2024, 10, 1)


def test_Q10_bytes_that_are_no_text_spoil_their_row_alone():
    content = focus({}, {"SubAccountName": "Ångström"}, {})
    rows = read(content.replace("Ångström".encode(), "Ångström".encode("latin-1")))

    assert [isinstance(row, ChargeRow) for row in rows] == [True, False, True]
    assert rows[1].refusal.reason == "not readable as UTF-8 text"


def test_Q10_a_row_of_another_width_is_refused():
    lines = focus({}, {}, {}).splitlines(keepends=True)
    lines[2] = b'"too","few"\r\n'

    assert [type(row) for row in read(b"".join(lines))] == [ChargeRow, BadRow, ChargeRow]


def test_a_mark_of_the_byte_order_and_empty_lines_do_no_harm():
    assert only(b"\xef\xbb\xbf" + focus({}) + b"\r\n\r\n").row_number == 1


@pytest.mark.parametrize("column", ["BilledCost", "BillingCurrency", "SubAccountId"])
def test_Q10_a_file_without_a_column_is_refused_and_says_which(column):
    with pytest.raises(FileRefused, match=column):
        read(focus({}, columns=[name for name in COLUMNS if name != column]))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"\x00\x01\x02", "missing"),
        (b"PK\x03\x04" + bytes(range(256)), "missing|not CSV"),
        (focus({}, columns=[*COLUMNS, "BilledCost"]), "twice"),
        (focus({}) + b'"never closed', "cut off"),
        (focus({}) + b'"a"b,c\n', "not CSV"),
        (focus({}) + b'"' + b"x\n" * 100_000, "no end"),
    ],
    ids=["nothing", "blank", "NULs", "zip", "column twice", "quote open", "stray quote", "quote without end"],
)
def test_Q10_what_is_no_file_of_charges_is_refused_whole(content, says):
    with pytest.raises(FileRefused, match=says):
        read(content)


@given(st.integers(min_value=1))
def test_Q10_a_file_cut_off_anywhere_is_refused_or_ends_with_a_whole_row(cut: int):
    content = focus({}, {}, {"Tags": "NULL"})
    shorter = content[: cut % len(content)]

    try:
        rows = read(shorter)
    except FileRefused:
        return
    whole = [row for row in rows if isinstance(row, ChargeRow)]
    assert whole == read(content)[: len(whole)]
    assert len(rows) - len(whole) <= 1


class Endless(io.RawIOBase):
    """A file whose second line has two gigabytes, made while it is read."""

    def __init__(self) -> None:
        self.left = 2 * 1024**3
        self.heading = focus(columns=COLUMNS)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        portion = self.heading or b"x" * min(len(buffer), self.left, 65536)
        portion, self.heading = portion[: len(buffer)], b"" if self.heading else self.heading
        self.left -= len(portion)
        buffer[: len(portion)] = portion
        return len(portion)


def test_Q10_a_line_of_two_gigabytes_is_refused_after_the_first():
    file = io.BufferedReader(Endless())
    tracemalloc.start()
    with pytest.raises(FileRefused, match=f"line 2 is longer than {LONGEST_LINE:,}"):
        list(read_charges(file))
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 10 * LONGEST_LINE


class Many(io.RawIOBase):
    """Rows without end, made while they are read."""

    def __init__(self, rows: int) -> None:
        self.portions = self._portions(rows)
        self.rest = b""

    def _portions(self, rows: int) -> Iterator[bytes]:
        heading, row = focus({}).splitlines(keepends=True)
        yield heading
        for _ in range(rows):
            yield row

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        portion = self.rest or next(self.portions, b"")
        self.rest, portion = portion[len(buffer) :], portion[: len(buffer)]
        buffer[: len(portion)] = portion
        return len(portion)


def test_memory_does_not_grow_with_the_rows():
    tracemalloc.start()
    assert sum(1 for _ in read_charges(io.BufferedReader(Many(5_000)))) == 5_000
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 500_000


@given(st.binary(max_size=2000))
def test_Q10_no_bytes_raise_anything_but_a_refusal(content: bytes):
    for whole in (content, focus({}) + content):
        with contextlib.suppress(FileRefused):
            read(whole)


@given(st.dictionaries(st.sampled_from(COLUMNS), st.text(max_size=60), max_size=5))
def test_Q10_no_text_in_any_field_raises_anything_but_a_refusal(change: dict[str, str]):
    change = {name: text.encode("utf-8", "replace").decode() for name, text in change.items()}
    try:
        rows = read(focus(change))
    except FileRefused:
        return
    assert len(rows) == 1


@pytest.mark.parametrize(
    ("added", "version"), [((), "1.0"), (("SkuMeter",), "1.1"), (("SkuMeter", "InvoiceId"), "1.2"), (("x_Own",), "1.0")]
)
def test_the_version_follows_from_the_columns(added, version):
    told: list[str] = []

    assert len(list(read_charges(io.BytesIO(focus({}, columns=(*COLUMNS, *added))), told.append))) == 1
    assert told == [version]


def test_Q10_a_packed_file_reads_as_what_is_in_it():
    content = focus({}, {"BilledCost": "12.5"})

    file = unpacked(io.BytesIO(gzip.compress(content)))

    assert digest(file) == digest(io.BytesIO(content))
    assert list(read_charges(file)) == read(content)


@pytest.mark.parametrize("cut", [3, 12, 100, -9, -1])
def test_Q10_a_packed_file_that_is_cut_off_or_damaged_is_refused(cut):
    packed = gzip.compress(focus(*({"ResourceId": str(number)} for number in range(50))))
    spoiled = bytearray(packed)
    spoiled[len(packed) // 2] ^= 0xFF

    for content in (packed[:cut], bytes(spoiled)):
        with pytest.raises(FileRefused, match="damaged or was cut off"):
            digest(unpacked(io.BytesIO(content)))


def test_Q10_a_file_that_unpacks_without_end_is_refused():
    bomb = gzip.compress(focus({}) + b" " * (80 * 1024 * 1024), 9)
    assert len(bomb) < 100_000

    with pytest.raises(FileRefused, match="unpacks to more than"):
        digest(unpacked(io.BytesIO(bomb)))


def test_rows_are_equal_where_every_column_is_whatever_their_order():
    one, other, different = (
        next(read_charges(io.BytesIO(content)))
        for content in (focus({}), focus({}, columns=reversed(COLUMNS)), focus({"AvailabilityZone": "b"}))
    )

    assert one.fingerprint == other.fingerprint != different.fingerprint


def test_a_file_is_known_by_its_digest():
    file = io.BytesIO(b"abc")

    assert digest(file) == ("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", 3)
    assert file.tell() == 0
