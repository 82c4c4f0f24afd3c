"""The test numbers that the sandbox takes, and what each of them does. No other number gets in.

They are made up and fit no account anywhere. A card or bank account is kept by the name of its specimen, brand, last
four digits and expiry; the number itself is not stored.
"""

from dataclasses import dataclass
from enum import StrEnum

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class Fault(StrEnum):
    """What goes wrong on the line when such a card is charged (F06, F07, F09 … F12, T26)."""

    NONE = ""
    CUT_BEFORE_CAPTURE = "cut_before_capture"
    CUT_AFTER_CAPTURE = "cut_after_capture"
    SILENT = "silent"  # captured, and every question about it goes unanswered
    WEBHOOKS_AGAIN_AND_REVERSED = "webhooks_again_and_reversed"
    WEBHOOK_BEFORE_ANSWER = "webhook_before_answer"
    NO_WEBHOOK = "no_webhook"
    OTHER_AMOUNT = "other_amount"


@dataclass(frozen=True)
class Specimen:
    """A test card. `refused` ends the set-up, `declined` every charge, each with the sandbox's own code."""

    name: str
    number: str
    brand: str
    meaning: str | Promise
    refused: str = ""
    declined: str = ""
    asks_at_setup: bool = False
    asks_at_charge: bool = False
    settles_later: bool = False
    returned_later: bool = False
    ends_this_month: bool = False
    country: str = ""
    is_prepaid: bool = False
    fault: Fault = Fault.NONE

    @property
    def last4(self) -> str:
        return self.number[-4:]

    @property
    def is_account(self) -> bool:
        """Whether it is a bank account, by its IBAN."""
        return self.number[:2].isalpha()

    @property
    def masked(self) -> str:
        """An IBAN by its country, check digits and last four characters."""
        return f"{self.number[:4]} •••• {self.last4}"

    @property
    def shown(self) -> str:
        """The number as it is printed on a card, or an IBAN as it is written."""
        sizes = (4, 6, 5) if len(self.number) == 15 else (4,) * -(-len(self.number) // 4)
        groups, rest = [], self.number
        for size in sizes:
            groups.append(rest[:size])
            rest = rest[size:]
        return " ".join(groups)


GROUPS: tuple[tuple[str | Promise, tuple[Specimen, ...]], ...] = (
    (
        _("Cards that pay"),
        (
            Specimen("visa", "4242424242424242", "visa", _("Pays")),
            Specimen("mastercard", "5555555555554444", "mastercard", _("Pays")),
            Specimen("amex", "378282246310005", "amex", _("Pays")),
            Specimen("expiring", "4000000000015927", "visa", _("Pays, and expires this month"), ends_this_month=True),
            Specimen("later", "4000000000016297", "visa", _("Pays after a minute"), settles_later=True),
        ),
    ),
    (
        _("Cards that ask the bank"),
        (
            Specimen("checked", "4000000000013708", "visa", _("Asks at every payment"), asks_at_charge=True),
            Specimen("checked_once", "4000000000014441", "visa", _("Asks when it is added"), asks_at_setup=True),
        ),
    ),
    (
        _("Cards that are declined when they pay"),
        (
            Specimen("no_funds", "4000000000010001", "visa", _("Not enough balance"), declined="no_funds"),
            Specimen("over_limit", "4000000000010373", "visa", _("Over its limit"), declined="over_limit"),
            Specimen("refused", "4000000000010746", "visa", _("Refused without a reason"), declined="refused"),
            Specimen("blocked", "4000000000011116", "visa", _("Blocked by the bank"), declined="blocked"),
            Specimen("run_out", "4000000000011488", "visa", _("Expired meanwhile"), declined="run_out"),
            Specimen("wrong_details", "4000000000011850", "visa", _("Details not correct"), declined="wrong_details"),
            Specimen("domestic", "4000000000012221", "visa", _("Not for international payments"), declined="domestic"),
            Specimen("no_series", "4000000000012593", "visa", _("Not for recurring payments"), declined="no_series"),
            Specimen("suspicious", "4000000000012965", "visa", _("Stopped as suspicious"), declined="suspicious"),
            Specimen("trouble", "4000000000013336", "visa", _("The gateway has trouble"), declined="trouble"),
            Specimen(
                "refused_later",
                "4000000000016669",
                "visa",
                _("Declined after a minute"),
                declined="no_funds",
                settles_later=True,
            ),
        ),
    ),
    (
        _("Cards that cannot be added"),
        (
            Specimen("never", "4000000000014813", "visa", _("Refused by the bank"), refused="refused"),
            Specimen("prepaid", "4000000000015182", "visa", _("Prepaid, not accepted"), is_prepaid=True),
            Specimen("abroad", "4000000000019622", "visa", _("Issued in the United States"), country="US"),
            Specimen("expired", "4000000000015554", "visa", _("Expired"), refused="run_out"),
        ),
    ),
    (
        _("Cards that break the line"),
        (
            Specimen(
                "cut_before",
                "4000000000017030",
                "visa",
                _("No answer, and nothing was taken"),
                fault=Fault.CUT_BEFORE_CAPTURE,
            ),
            Specimen(
                "cut_after",
                "4000000000017402",
                "visa",
                _("No answer, but the money was taken"),
                fault=Fault.CUT_AFTER_CAPTURE,
            ),
            Specimen("silent", "4000000000017774", "visa", _("No answer to any question"), fault=Fault.SILENT),
            Specimen(
                "again",
                "4000000000018145",
                "visa",
                _("Pays; its notices come twice and in reverse"),
                fault=Fault.WEBHOOKS_AGAIN_AND_REVERSED,
            ),
            Specimen(
                "early",
                "4000000000018517",
                "visa",
                _("Pays; its notice comes before the answer"),
                fault=Fault.WEBHOOK_BEFORE_ANSWER,
            ),
            Specimen(
                "unannounced", "4000000000018889", "visa", _("Pays; no notice ever comes"), fault=Fault.NO_WEBHOOK
            ),
            Specimen(
                "other_amount",
                "4000000000019259",
                "visa",
                _("Another amount is taken than was asked"),
                fault=Fault.OTHER_AMOUNT,
            ),
        ),
    ),
)

# Of a bank that does not exist, with right check digits.
ACCOUNT_GROUPS: tuple[tuple[str | Promise, tuple[Specimen, ...]], ...] = (
    (
        _("Accounts that pay"),
        (
            Specimen("account", "NL69TEST0000000001", "sepa_debit", _("Pays after a minute"), settles_later=True),
            Specimen("account_at_once", "NL42TEST0000000002", "sepa_debit", _("Pays at once")),
        ),
    ),
    (
        _("Accounts that do not pay"),
        (
            Specimen(
                "account_empty",
                "NL15TEST0000000003",
                "sepa_debit",
                _("Not enough balance, known after a minute"),
                declined="no_funds",
                settles_later=True,
            ),
            Specimen(
                "account_closed",
                "NL85TEST0000000004",
                "sepa_debit",
                _("Closed, known after a minute"),
                declined="closed",
                settles_later=True,
            ),
            Specimen(
                "account_returned",
                "NL58TEST0000000005",
                "sepa_debit",
                _("Pays at once, and the bank takes it back after a minute"),
                returned_later=True,
            ),
            Specimen(
                "account_refused", "NL31TEST0000000006", "sepa_debit", _("Takes no direct debit"), refused="no_debit"
            ),
        ),
    ),
)

SPECIMENS: dict[str, Specimen] = {
    each.name: each for _group, specimens in (*GROUPS, *ACCOUNT_GROUPS) for each in specimens
}
# What is paid on the bank's own page behaves as the person answers there.
PAID_AT_THE_BANK = Specimen("bank", "", "", "")
_BY_NUMBER = {card.number: card for card in SPECIMENS.values()}


def specimen_of(number: str) -> Specimen | None:
    """The specimen of that number, spaces and dashes aside; None for any other number."""
    return _BY_NUMBER.get("".join(number.replace("-", " ").split()).upper())
