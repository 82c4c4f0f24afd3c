"""Payment files of ISO 20022 for a bank: pain.001.001.09, the credit transfer that a customer orders.

Written as a tree and never as text, so that nothing a customer typed can become an element. What SEPA has no
characters for is transliterated (EPC217-08), and what is too long for its field is cut.
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime
from xml.etree import ElementTree as ET  # only writes here; what is read goes through `camt`

from core.money import Money

CREDIT_TRANSFER = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
# An amount of a transfer in euros has eleven digits at most (EPC132-08, AT-04).
LARGEST = Money(99_999_999_999, "EUR")

# What Unicode does not take apart by itself.
_WRITTEN = str.maketrans(
    {
        "ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L",
        "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "TH", "ı": "i", "ĳ": "ij", "Ĳ": "IJ",
        "&": "+", "€": "EUR", "@": "(at)", "_": "-", "–": "-", "—": "-", "‘": "'", "’": "'", "“": "'", "”": "'",
        '"': "'", ";": ",", "*": ".", "[": "(", "]": ")", "{": "(", "}": ")", "|": "/", "\\": "/",
    }
)  # fmt: skip
_OUTSIDE = re.compile(r"[^A-Za-z0-9/\-?:().,'+ ]+")


def sepa_text(text: str, longest: int) -> str:
    """The text in the characters that every bank in SEPA takes, at most that long.

    A slash neither begins nor ends it nor stands twice, for banks read that as a field of their own (EPC217-08).
    """
    apart = unicodedata.normalize("NFKD", text.translate(_WRITTEN))
    plain = "".join(letter for letter in apart if not unicodedata.combining(letter))
    plain = _OUTSIDE.sub(" ", plain.translate(_WRITTEN))
    plain = re.sub(r"/{2,}", "/", re.sub(r"\s+", " ", plain))
    return plain[:longest].strip(" /")


@dataclass(frozen=True)
class Creditor:
    """Who is paid. `country` is of ISO 3166, `bic` may be empty."""

    name: str
    iban: str
    bic: str = ""


@dataclass(frozen=True)
class CreditTransfer:
    """An order to transfer one amount in euros. `debtor_iban` is the account that it is paid from."""

    reference: str
    amount: Money
    made_at: datetime
    pays_on: date
    debtor_name: str
    debtor_iban: str
    creditor: Creditor


def credit_transfer_file(order: CreditTransfer) -> bytes:
    """The order as pain.001.001.09: one batch of one transfer with a structured reference (SCOR, ISO 11649).

    Raises ValueError for another currency than the euro, an amount that no transfer has, or nobody's name.
    """
    debtor, creditor = sepa_text(order.debtor_name, 70), sepa_text(order.creditor.name, 70)
    if order.amount.currency != "EUR" or not 0 < order.amount.minor <= LARGEST.minor:
        raise ValueError(f"{order.amount} is no amount of a transfer in euros")
    if not debtor or not creditor:
        raise ValueError("nothing of the name is left in the characters of SEPA")
    root = ET.Element("Document", xmlns=CREDIT_TRANSFER)
    initiation = ET.SubElement(root, "CstmrCdtTrfInitn")
    amount = f"{order.amount.amount:.2f}"
    _put(
        initiation,
        "GrpHdr",
        ("MsgId", order.reference),
        ("CreDtTm", order.made_at.strftime("%Y-%m-%dT%H:%M:%S")),
        ("NbOfTxs", "1"),
        ("CtrlSum", amount),
        ("InitgPty/Nm", debtor),
    )
    batch = _put(
        initiation,
        "PmtInf",
        ("PmtInfId", order.reference),
        ("PmtMtd", "TRF"),
        ("NbOfTxs", "1"),
        ("CtrlSum", amount),
        ("PmtTpInf/SvcLvl/Cd", "SEPA"),
        ("ReqdExctnDt/Dt", order.pays_on.isoformat()),
        ("Dbtr/Nm", debtor),
        ("DbtrAcct/Id/IBAN", order.debtor_iban),
        # The bank knows itself by the account; a BIC is not asked for within SEPA (regulation 260/2012, article 5).
        ("DbtrAgt/FinInstnId/Othr/Id", "NOTPROVIDED"),
        ("ChrgBr", "SLEV"),
    )
    transfer = _put(
        batch,
        "CdtTrfTxInf",
        ("PmtId/EndToEndId", order.reference),
        ("Amt/InstdAmt", amount),
        *([("CdtrAgt/FinInstnId/BICFI", order.creditor.bic)] if order.creditor.bic else []),
        ("Cdtr/Nm", creditor),
        ("CdtrAcct/Id/IBAN", order.creditor.iban),
    )
    transfer.find("Amt/InstdAmt").set("Ccy", "EUR")  # type: ignore[union-attr]
    information = ET.SubElement(ET.SubElement(ET.SubElement(transfer, "RmtInf"), "Strd"), "CdtrRefInf")
    kind = ET.SubElement(information, "Tp")
    ET.SubElement(ET.SubElement(kind, "CdOrPrtry"), "Cd").text = "SCOR"
    ET.SubElement(kind, "Issr").text = "ISO"
    ET.SubElement(information, "Ref").text = order.reference
    ET.indent(root)
    return ET.tostring(root, encoding="utf-8", xml_declaration=True)


def _put(parent: ET.Element, name: str, *values: tuple[str, str]) -> ET.Element:
    """An element with the texts at these paths, in this order."""
    element = ET.SubElement(parent, name)
    for path, text in values:
        place = element
        for part in path.split("/"):
            place = ET.SubElement(place, part)
        place.text = text
    return element
