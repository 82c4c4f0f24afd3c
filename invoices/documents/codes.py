"""What a document carries for people to type or scan: its reference, its check code, and their QR codes."""

import hashlib
import re

from stdnum.iso7064 import mod_97_10

from core.codes import ALPHABET
from core.money import Money

CHECK_LENGTH = 12
# The creditor reference of ISO 11649 has room for this many characters of ours.
REFERENCE_LENGTH = 21
# European Payments Council, "Quick Response Code", version 2: euros, and at most this much.
LARGEST_TRANSFER = Money(99_999_999_999, "EUR")


def payment_reference(number: str) -> str:
    """The creditor reference (ISO 11649) of a number: RF, two check digits, the number's letters and digits.

    A bank refuses one that was mistyped. Empty where the number has none or too many.
    """
    body = re.sub("[^0-9A-Z]", "", number.upper())
    if not 0 < len(body) <= REFERENCE_LENGTH:
        return ""
    return f"RF{mod_97_10.calc_check_digits(f'{body}RF')}{body}"


def check_code(invoice_code: str) -> str:
    """The code on a document: 60 bits that follow from the invoice's own and do not lead back to it."""
    digest = hashlib.sha256(f"document check {invoice_code}".encode()).digest()
    return "".join(ALPHABET[byte % 32] for byte in digest[:CHECK_LENGTH])


def shown_code(code: str) -> str:
    """As a person types it: 7K3M-9QXT-2HWA."""
    return "-".join(code[index : index + 4] for index in range(0, len(code), 4)).upper()


def read_code(text: str) -> str:
    """What somebody typed, as it is stored: letters that look like digits are those digits. Empty for no code."""
    letters = re.sub(r"[\s-]", "", text.lower()[:100])
    code = letters.replace("o", "0").replace("i", "1").replace("l", "1")
    return code if re.fullmatch(f"[{ALPHABET}]{{{CHECK_LENGTH}}}", code) else ""


def transfer_qr(*, holder: str, iban: str, bic: str, amount: Money, reference: str) -> str:
    """The QR code with which a banking app fills in the transfer, as SVG; empty where it has no form for it."""
    if amount.currency != "EUR" or not 0 < amount.minor <= LARGEST_TRANSFER.minor or not (iban and holder):
        return ""
    # Printed, a long word has invisible places to break; a bank compares the name with that of the account.
    name = holder.replace("\N{ZERO WIDTH SPACE}", "")[:70]
    lines = ["BCD", "002", "1", "SCT", bic, name, iban, f"EUR{amount.amount:f}", "", reference]
    return qr("\n".join(lines))


def qr(text: str) -> str:
    """The text as a QR code in SVG, without a margin: in UTF-8, and without a mark that says so, which banking apps do
    not expect."""
    # Loaded where documents are made, as the writers of the structured invoice are.
    import zxingcpp  # noqa: PLC0415

    code = zxingcpp.create_barcode(text.encode(), zxingcpp.BarcodeFormat.QRCode, ec_level="M")
    return code.to_svg(add_quiet_zones=False)
