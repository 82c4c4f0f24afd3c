"""VAT ID and registration number of an account, and what the authorities say of the VAT ID."""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import BillingAccount, Seller, VatCheck
from accounts.services.notices import mail_people, owners_of
from accounts.states import AccountStatus, VatStatus
from accounts.validators import clean_registration_number, clean_vat_id, is_union_vat_id
from accounts.verifiers import Answer, Verifier, VerifierUnavailable
from core.errors import Refused
from core.history import acting
from core.messages import MailClass
from core.policy import Action, demand
from core.states import move

logger = logging.getLogger(__name__)

# How long an answer stands before it is asked for again, and the growing pauses where nobody answers.
STANDS = timedelta(days=30)
PAUSES = (timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2), timedelta(hours=6), timedelta(days=1))
# A person may ask again after this.
PATIENCE = timedelta(minutes=1)


@transaction.atomic
def save_tax_ids(
    account: BillingAccount, *, vat_id: str, registration_number: str, seen: tuple[str, str], by: Any
) -> bool:
    """Write both numbers; counts for invoices issued from now on (A-tax). Returns whether anything changed.

    `seen` are the VAT ID and the registration number that the person had before them. Refuses
    `changed_meanwhile` where others are stored by now, and what the validators refuse.
    """
    country = account.country.code
    vat_id = clean_vat_id(vat_id, country)
    registration_number = clean_registration_number(registration_number, country)
    stored = BillingAccount.objects.select_for_update(no_key=True).get(pk=account.pk)
    demand(by, Action.ACCOUNT_EDIT_TAX_IDS, account)
    now_there = (stored.vat_id, stored.registration_number)
    if now_there == (vat_id, registration_number):
        return False
    if now_there != tuple(seen):
        raise Refused(_("Somebody else changed these numbers meanwhile. Look at both and decide."), "changed_meanwhile")
    with acting(by, "account.tax_ids_changed"):
        BillingAccount.objects.filter(pk=account.pk).update(vat_id=vat_id, registration_number=registration_number)
        account.refresh_from_db(fields=["vat_id", "registration_number"])
        begin_vat_check(account)
    _mail_owners(account, "tax_ids_changed", by=str(by))
    return True


def begin_vat_check(account: BillingAccount) -> None:
    """Have the account's VAT ID verified soon, in the caller's transaction. One outside the Union has no register."""
    check = VatCheck.objects.select_for_update().filter(account=account).first()
    number = account.vat_id if is_union_vat_id(account.vat_id, account.country.code) else ""
    if check is None:
        if number:
            VatCheck.objects.create(account=account, number=number)
    elif check.number != number:
        anew: dict[str, Any] = {
            "number": number,
            "verified_at": None,
            "asked_at": None,
            "next_check_at": timezone.now(),
            "failures": 0,
            "holder": "",
            "consultation": "",
            "trouble": "",
        }
        if check.status == VatStatus.FORMAT_VALID:
            VatCheck.objects.filter(pk=check.pk).update(**anew)
        else:
            move(check, VatStatus.FORMAT_VALID, **anew)


@transaction.atomic
def ask_again(account: BillingAccount, *, by: Any, at: datetime | None = None) -> None:
    """Have the VAT ID verified now instead of later. Refuses `no_vat_id`, and `asked_just_now` within a minute."""
    demand(by, Action.ACCOUNT_EDIT_TAX_IDS, account)
    at = at or timezone.now()
    check = VatCheck.objects.select_for_update().filter(account=account).exclude(number="").first()
    if check is None:
        raise Refused(
            _("This account has no VAT ID that a register of the Union could know. Enter one first."), "no_vat_id"
        )
    waits = check.status in {VatStatus.FORMAT_VALID, VatStatus.VERIFYING} and check.next_check_at <= at
    if waits or (check.asked_at and check.asked_at > at - PATIENCE):
        raise Refused(_("The register was asked a moment ago. Look again in a minute."), "asked_just_now")
    VatCheck.objects.filter(pk=check.pk).update(next_check_at=at)


def verify_vat_id(check: VatCheck, verifier: Verifier, *, at: datetime) -> None:
    """Ask the register about one number and write down what it says. Safe to repeat; not to be called in a
    transaction, for it waits for somebody else's server.

    An answer about a number that was replaced meanwhile is thrown away. Owners get a mail when a number
    is refused that was not refused before. Of a closed account nobody is asked.
    """
    if check.account.status == AccountStatus.CLOSED:
        VatCheck.objects.filter(pk=check.pk).update(next_check_at=at + STANDS)
        return
    if check.status != VatStatus.VERIFYING:
        with acting(None, "vat_id.asked"):
            move(check, VatStatus.VERIFYING, asked_at=at)
    seller = Seller.objects.first()
    requester = seller.vat_id if seller and is_union_vat_id(seller.vat_id, seller.country.code) else ""
    try:
        answer = verifier.verify(check.number, requester=requester)
    except VerifierUnavailable as trouble:
        logger.warning("VAT ID of account %s was not verified: %s", check.account_id, trouble)
        pause = PAUSES[min(check.failures, len(PAUSES) - 1)]
        said = {"failures": check.failures + 1, "trouble": str(trouble)[:200], "next_check_at": at + pause}
        _write_outcome(check, VatStatus.UNREACHABLE, **said)
    else:
        _take(check, answer, at)


def _take(check: VatCheck, answer: Answer, at: datetime) -> None:
    said: dict[str, Any] = {"failures": 0, "trouble": "", "next_check_at": at + STANDS}
    if answer.is_registered:
        said |= {"verified_at": at, "holder": answer.holder, "consultation": answer.consultation}
        _write_outcome(check, VatStatus.VERIFIED, **said)
        return
    said |= {"verified_at": None, "holder": "", "consultation": answer.consultation}
    with transaction.atomic():
        key = f"vat-refused:{check.pk}:{check.number}"
        if _write_outcome(check, VatStatus.REFUSED, **said):
            _mail_owners(check.account, "vat_id_refused", vat_id=check.number, key=f"{key}:{at:%Y-%m}")


@transaction.atomic
def _write_outcome(check: VatCheck, status: VatStatus, **said: Any) -> bool:
    stored = VatCheck.objects.select_for_update().get(pk=check.pk)
    if (stored.number, stored.status) != (check.number, VatStatus.VERIFYING):
        return False
    with acting(None, f"vat_id.{status}"):
        move(stored, status, **said)
    check.refresh_from_db()
    return True


def _mail_owners(account: BillingAccount, template: str, key: str | None = None, **context: str) -> None:
    mail_people(
        owners_of(account),
        template=template,
        mail_class=MailClass.ACCESS_CHANGED if key is None else MailClass.SERVICE,
        context={"name": account.name, "path": reverse("account_properties", args=[account.code]), **context},
        reference=f"billingaccount:{account.pk}",
        key=key,
    )
