"""Charges as the cloud delivers them: a FOCUS file (1.0, 1.1 or 1.2), plain or packed by gzip, read row by row.

Which version it is follows from the columns of its heading. Memory is bounded by the longest line that is
allowed. A row that cannot be a charge is refused with a reason and the next one is read; a file that is no
such file (columns missing, cut off, a line without end, a bomb) is refused whole. Pure: no database.
"""

import csv
import gzip
import hashlib
import json
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, BinaryIO, NoReturn

from core.money import exponent

LONGEST_LINE = 1024 * 1024
# What numeric(38,18) holds.
WHOLE_DIGITS, DECIMALS = 20, 18
YEARS = range(2000, 2101)
# VAT is computed here, so that of somebody else is no charge (domain §3.9).
CATEGORIES = ("Usage", "Purchase", "Credit", "Adjustment")
NEEDED = (
    "BillingAccountId",
    "BillingCurrency",
    "BillingPeriodStart",
    "BilledCost",
    "ChargeCategory",
    "ChargePeriodStart",
    "ChargePeriodEnd",
    "ServiceName",
    "SubAccountId",
)
TAKEN = (
    *NEEDED,
    "BillingAccountName",
    "ChargeClass",
    "ChargeDescription",
    "ConsumedQuantity",
    "ConsumedUnit",
    "PricingQuantity",
    "PricingUnit",
    "RegionId",
    "ResourceId",
    "ServiceSubcategory",
    "SkuId",
    "SkuMeter",
    "SubAccountName",
    "Tags",
)
# The columns that came with each version, the newest first; what has none of them is 1.0.
VERSIONS = {
    "1.2": {
        "BillingAccountType", "InvoiceId", "PricingCurrency", "PricingCurrencyContractedUnitPrice",
        "PricingCurrencyEffectiveCost", "PricingCurrencyListUnitPrice", "SubAccountType",
    },
    "1.1": {
        "CapacityReservationId", "CapacityReservationStatus", "CommitmentDiscountQuantity", "CommitmentDiscountUnit",
        "ServiceSubcategory", "SkuMeter", "SkuPriceDetails",
    },
}  # fmt: skip
CLASSES = ("", "Correction")
GZIP = b"\x1f\x8b"
# Charges pack to a tenth or a thirtieth. What unpacks to much more than that is no file of charges.
MOST_UNPACKED, MOST_TIMES = 64 * 1024 * 1024, 200
# How much of each text is kept; longer is refused, not cut.
LENGTHS = {
    "BillingAccountId": 100,
    "BillingAccountName": 200,
    "ChargeClass": 20,
    "ChargeDescription": 1000,
    "ConsumedUnit": 100,
    "PricingUnit": 100,
    "RegionId": 100,
    "ResourceId": 500,
    "ServiceName": 200,
    "ServiceSubcategory": 100,
    "SkuId": 200,
    "SkuMeter": 200,
    "SubAccountId": 100,
    "SubAccountName": 200,
    "Tags": 20_000,
}
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?", re.ASCII)


class FileRefused(ValueError):
    """This is no file of charges, or not a whole one: nothing of it is taken."""


class RowRefused(ValueError):
    """This row is no charge; `reason` says why in general, `detail` what exactly."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail[:200]


@dataclass(frozen=True, slots=True)
class ChargeRow:
    """One charge of a file, checked. `row_number` counts the rows below the heading from 1."""

    row_number: int
    account_id: str
    account_name: str
    sub_account_id: str
    sub_account_name: str
    month: date
    category: str
    charge_class: str
    service_name: str
    sku_id: str
    description: str
    resource_id: str
    region: str
    quantity: Decimal | None
    unit: str
    cost: Decimal
    currency: str
    started_at: datetime
    ended_at: datetime
    tags: str
    service_subcategory: str
    sku_meter: str
    # Equal where every column of two rows says the same.
    fingerprint: str


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that was refused, with what names it to whoever mends the file."""

    row_number: int
    refusal: RowRefused
    account_id: str = ""
    sub_account_id: str = ""
    cost: str = ""


def read_charges(file: BinaryIO, found: Callable[[str], None] | None = None) -> Iterator[ChargeRow | BadRow]:
    """Every row of the file in its order, as a charge or as refused; `found` is told the version of FOCUS.

    Raises FileRefused.
    """
    lines = _Lines(file)
    rows = _rows(csv.reader(lines, strict=True), lines)
    heading = next(rows, [])
    places = _places(heading)
    if found:
        found(version_of(heading))
    marks = _Fingerprints(heading)
    for number, row in enumerate(rows, start=1):
        if lines.is_cut_off:
            # A row that has all its columns may still have lost the end of the last one: €12.3 of €12.34.
            raise FileRefused(
                f"row {number} has no line end: the file was cut off on its way. If it is whole, end it with a line end"
            )
        values = {name: _value(row, place) for name, place in places.items()}
        try:
            yield _checked(
                number,
                values,
                is_text=not lines.take_broken(),
                columns=len(row),
                wanted=len(heading),
                mark=marks.of(row),
            )
        except RowRefused as refusal:
            named = (values["BillingAccountId"], values["SubAccountId"], values["BilledCost"])
            yield BadRow(number, refusal, *(text[:100] for text in named))


def version_of(heading: Sequence[str]) -> str:
    """The version of FOCUS that a heading is of: the newest whose columns it has."""
    return next((version for version, columns in VERSIONS.items() if columns & set(heading)), "1.0")


def unpacked(file: BinaryIO) -> BinaryIO:
    """The file as it reads: unpacked where it was packed by gzip, else itself."""
    start = file.read(len(GZIP))
    file.seek(0)
    return _Unpacked(file) if start == GZIP else file  # type: ignore[return-value]


class _Unpacked:
    """A packed file that is never larger than a file of charges can be, wherever it is read."""

    def __init__(self, file: BinaryIO) -> None:
        self.most = max(MOST_UNPACKED, MOST_TIMES * file.seek(0, 2))
        file.seek(0)
        self.file = gzip.GzipFile(fileobj=file, mode="rb")

    def readline(self, size: int = -1) -> bytes:
        return self._checked(lambda: self.file.readline(size))

    def read(self, size: int = -1) -> bytes:
        return self._checked(lambda: self.file.read(size))

    def seek(self, place: int) -> int:
        return self.file.seek(place)

    def tell(self) -> int:
        return self.file.tell()

    def _checked(self, read: Callable[[], bytes]) -> bytes:
        try:
            data = read()
        except (gzip.BadGzipFile, EOFError, zlib.error):
            raise FileRefused("the packed file is damaged or was cut off on its way") from None
        if self.file.tell() > self.most:
            raise FileRefused(f"it unpacks to more than {self.most:,} bytes: this is no file of charges")
        return data


class _Fingerprints:
    """What tells whether two rows say the same in every column, in whatever order a file has them."""

    def __init__(self, heading: Sequence[str]) -> None:
        self.order = sorted(range(len(heading)), key=lambda place: (heading[place], place))
        self.names = [heading[place] for place in self.order]

    def of(self, row: Sequence[str]) -> str:
        if len(row) < len(self.order):
            return ""
        values = ((name, row[place]) for name, place in zip(self.names, self.order, strict=True))
        said = "\x1f".join(f"{name}\x1e{value}" for name, value in values if value and value != "NULL")
        return hashlib.blake2b(said.encode("utf-8", "replace"), digest_size=16).hexdigest()


def digest(file: BinaryIO) -> tuple[str, int]:
    """The SHA-256 of the whole file and its size, read in portions; the file then stands at its beginning."""
    sha, size = hashlib.sha256(), 0
    while portion := file.read(1024 * 1024):
        sha.update(portion)
        size += len(portion)
    file.seek(0)
    return sha.hexdigest(), size


class _Lines:
    """The lines of the file as text, none longer than is allowed."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.number = 0
        self.is_cut_off = False
        self._broken = False

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self.file.readline(LONGEST_LINE + 1)
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) > LONGEST_LINE:
            raise FileRefused(f"line {self.number} is longer than {LONGEST_LINE:,} bytes: this is no file of charges")
        self.is_cut_off = not line.endswith(b"\n")
        try:
            text = line.decode("utf-8-sig" if self.number == 1 else "utf-8")
        except UnicodeDecodeError:
            self._broken = True
            text = line.decode("utf-8", errors="replace")
        return text

    def take_broken(self) -> bool:
        """Whether a line since the last time was no UTF-8."""
        broken, self._broken = self._broken, False
        return broken


def _rows(reader: Iterator[list[str]], lines: _Lines) -> Iterator[list[str]]:
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            _not_csv(error, lines)
        # An empty line is the end of the one before, written twice.
        if row:
            yield row


def _not_csv(error: csv.Error, lines: _Lines) -> NoReturn:
    if "unexpected end of data" in str(error):
        raise FileRefused(f"the file ends within quotes on line {lines.number}: it was cut off on its way") from None
    if "field limit" in str(error):
        raise FileRefused(f"a field on line {lines.number} has no end: a quote may be missing before it") from None
    raise FileRefused(f"line {lines.number} is not CSV: {error}") from None


def _places(heading: list[str]) -> dict[str, int]:
    """Where each column of interest stands."""
    if not heading:
        raise FileRefused("the file is empty")
    if missing := [name for name in NEEDED if name not in heading]:
        raise FileRefused(f"these columns of FOCUS {version_of(heading)} are missing: {', '.join(missing)}")
    if twice := sorted({name for name in heading if name in TAKEN and heading.count(name) > 1}):
        raise FileRefused(f"these columns occur twice: {', '.join(twice)}")
    return {name: heading.index(name) for name in TAKEN if name in heading}


def _value(row: Sequence[str], place: int) -> str:
    value = row[place] if place < len(row) else ""
    return "" if value == "NULL" else value


def _checked(number: int, values: dict[str, str], *, is_text: bool, columns: int, wanted: int, mark: str) -> ChargeRow:
    if not is_text:
        raise RowRefused("not readable as UTF-8 text")
    if columns != wanted:
        raise RowRefused("wrong number of columns", f"{columns} instead of {wanted}")
    return _charge(number, values, mark)


def _charge(number: int, values: dict[str, str], mark: str) -> ChargeRow:
    for name, text in values.items():
        if len(text) > LENGTHS.get(name, 100):
            raise RowRefused("text too long", f"{name} has {len(text):,} characters")
        if "\0" in text:
            raise RowRefused("holds a NUL character", name)
    category, currency = values["ChargeCategory"], values["BillingCurrency"]
    if category == "Tax":
        raise RowRefused("tax is computed here")
    if category not in CATEGORIES:
        raise RowRefused("unknown charge category", category)
    if values.get("ChargeClass", "") not in CLASSES:
        raise RowRefused("unknown charge class", values["ChargeClass"])
    for name in ("BillingAccountId", "ServiceName"):
        if not values[name].strip():
            raise RowRefused("empty field", name)
    try:
        exponent(currency)
    except ValueError:
        raise RowRefused("unknown currency", currency) from None
    counted = "Consumed" if values.get("ConsumedQuantity") else "Pricing"
    quantity, unit = values.get(f"{counted}Quantity", ""), values.get(f"{counted}Unit", "")
    started_at, ended_at = _moment(values, "ChargePeriodStart"), _moment(values, "ChargePeriodEnd")
    if ended_at < started_at:
        raise RowRefused("ends before it starts", f"{started_at} to {ended_at}")
    return ChargeRow(
        row_number=number,
        account_id=values["BillingAccountId"],
        account_name=values.get("BillingAccountName", ""),
        # A charge of the account itself stands under the account's own id.
        sub_account_id=values["SubAccountId"] or values["BillingAccountId"],
        sub_account_name=values.get("SubAccountName", ""),
        month=_moment(values, "BillingPeriodStart").date().replace(day=1),
        category=category,
        charge_class=values.get("ChargeClass", ""),
        service_name=values["ServiceName"],
        sku_id=values.get("SkuId", ""),
        description=values.get("ChargeDescription", ""),
        resource_id=values.get("ResourceId", ""),
        region=values.get("RegionId", ""),
        quantity=_number(quantity, f"{counted}Quantity") if quantity else None,
        unit=unit,
        cost=_number(values["BilledCost"], "BilledCost"),
        currency=currency,
        started_at=started_at,
        ended_at=ended_at,
        tags=_tags(values.get("Tags", "")),
        service_subcategory=values.get("ServiceSubcategory", ""),
        sku_meter=values.get("SkuMeter", ""),
        fingerprint=mark,
    )


def _number(text: str, name: str) -> Decimal:
    """The figure exactly as delivered."""
    if not _NUMBER.fullmatch(text):
        raise RowRefused("not a number", f"{name} {text!r}")
    number = Decimal(text)
    if not number:
        return Decimal(0)
    _sign, digits, power = number.as_tuple()
    trailing = len(digits) - len("".join(map(str, digits)).rstrip("0"))
    if number.adjusted() >= WHOLE_DIGITS or -(int(power) + trailing) > DECIMALS:
        raise RowRefused("more digits than are kept", f"{name} {text}")
    return number


def _moment(values: dict[str, str], name: str) -> datetime:
    """A date or moment of ISO 8601; without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(values[name])
    except ValueError:
        raise RowRefused("not a date", f"{name} {values[name]!r}") from None
    if moment.year not in YEARS:
        raise RowRefused("not a date", f"{name} {values[name]!r}")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _tags(text: str) -> str:
    """The tags as JSON that the database takes, figures in them as text."""
    if not text:
        return "{}"
    try:
        tags = json.loads(text, parse_float=str, parse_int=str, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise RowRefused("tags are not JSON") from None
    if not isinstance(tags, dict):
        raise RowRefused("tags are not JSON", "not an object")
    written = json.dumps(tags, ensure_ascii=False)
    if "\\u0000" in written or not _is_text(written):
        raise RowRefused("tags are not JSON", "characters that are no text")
    return written


def _no_number(name: str) -> Any:
    raise ValueError(name)


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
