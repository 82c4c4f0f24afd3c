"""The facts an invoice document prints, as frozen values copied at issue (I35).

Amounts are `Money`, days are dates; the words and figures made of them are the business of
`printed`. Amounts of an invoice and of a credit note are both zero or more: the kind gives the sign.
The fields are those of article 226 of the VAT directive (L1) and of EN 16931.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from core.branding import ACCENT
from core.money import Money

Kind = Literal["invoice", "credit_note"]


@dataclass(frozen=True, slots=True)
class Postal:
    """An address in its parts, as a structured invoice names them; `country` is ISO 3166-1 alpha-2."""

    line1: str = ""
    line2: str = ""
    line3: str = ""
    postal_code: str = ""
    city: str = ""
    region: str = ""
    country: str = ""


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody named on the document. `lines` is the address as its country writes it, country last."""

    name: str
    lines: tuple[str, ...]
    tax_id: str = ""
    registration_number: str = ""
    address: Postal = Postal()


@dataclass(frozen=True, slots=True)
class Supplier:
    """The seller as it was at issue. `logo` is SVG text, or empty: then the name stands in its place. `accent` is
    the colour of the house, as #rrggbb."""

    name: str
    lines: tuple[str, ...]
    tax_id: str
    registration_number: str
    email: str = ""
    logo: str = ""
    address: Postal = Postal()
    accent: str = ACCENT


@dataclass(frozen=True, slots=True)
class Line:
    """One charge. `unit_price` and `quantity` are exact, as delivered; only `amount` is rounded.

    A line made of charges of several prices has no unit price. The service dates are both inclusive.
    """

    description: str
    service_start: date
    service_end: date
    amount: Money
    vat_category: str
    vat_rate: Decimal
    detail: str = ""
    quantity: Decimal | None = None
    unit: str = ""
    unit_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """The lines of one invoice section or subscription, with their sum."""

    title: str
    total: Money
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class VatRow:
    """VAT of one group: EN 16931's category code (S, Z, E, AE, K, G, O), rate in percent, base and amount.

    `wording` is the law's sentence for a group without VAT, as stored at issue ("Btw verlegd").
    """

    category: str
    rate: Decimal
    base: Money
    amount: Money
    wording: str = ""
    # This rate's share of the credit, by which the base is less than its lines come to (BG-20).
    credit: Money | None = None


@dataclass(frozen=True, slots=True)
class ExchangedVat:
    """The VAT in the seller's currency, and the rate: units of the document's currency in one of that, on a day."""

    amount: Money
    rate: Decimal
    day: date


@dataclass(frozen=True, slots=True)
class TransferInstructions:
    """Where and how to transfer: account holder, IBAN without spaces, and the reference to give (ISO 11649)."""

    holder: str
    iban: str
    reference: str
    bic: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """How a reader finds out whether the document is ours: a short code, and the page that knows it."""

    code: str
    url: str


@dataclass(frozen=True, slots=True)
class InvoicePayload:
    """All that one invoice or credit note prints, in `language` ("en" or "nl").

    `net` is the sum of the lines, `credit` what the vendor gives off it before VAT; the total is net less credit plus
    VAT. `due` is what is owed at issue: `total` less `prepaid`. `credited_number` names the original of a
    credit note (L3); a month that comes out below zero is a credit note without one.
    """

    kind: Kind
    language: str
    number: str
    issue_date: date
    due_date: date | None
    period_start: date
    period_end: date
    seller: Supplier
    sold_to: Party
    bill_to: Party
    profile_name: str
    sections: tuple[Section, ...]
    vat: tuple[VatRow, ...]
    net: Money
    vat_total: Money
    total: Money
    prepaid: Money
    due: Money
    payment_term_days: int | None = None
    purchase_order: str = ""
    credited_number: str = ""
    # Of a corrected invoice: the one that it takes the place of.
    corrected_number: str = ""
    credit: Money | None = None
    ship_to: Party | None = None
    transfer: TransferInstructions | None = None
    check: Check | None = None
    vat_exchanged: ExchangedVat | None = None

    @property
    def currency(self) -> str:
        return self.total.currency

    @property
    def taxable(self) -> Money:
        """What VAT is computed on: the net less the credit (BT-109)."""
        return self.net - self.credit if self.credit else self.net
