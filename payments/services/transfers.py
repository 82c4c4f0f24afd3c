"""Paying by bank transfer: asked for, looked at, agreed with a term, or not (S3-21, P16)."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import BillingAccount, User
from accounts.services.roles import lock_account, refuse_closed
from core.errors import Refused
from core.history import acting
from core.policy import Action, demand
from core.states import move
from core.uploads import CheckedFile, keep_file
from payments.mail import tell_of_transfer
from payments.models import Brand, Family, PaymentMethod, TransferDocument, TransferRequest
from payments.services.methods import make_default
from payments.states import TransferStatus
from payments.transfers import transfer_rules
from profiles.models import BillingProfile


def request_transfer(
    account: BillingAccount,
    *,
    profile: BillingProfile | None,
    values: Mapping[str, Any],
    documents: Iterable[CheckedFile] = (),
    by: User,
    on: date,
) -> TransferRequest:
    """Ask to pay by transfer on a profile, or for all of an online-services account (`profile` is None).

    `values` are the fields that people fill in. Refuses `not_eligible` with the rules that are not met, and
    `account_closed`.
    """
    demand(by, Action.METHOD_REQUEST_TRANSFER, profile or account)
    files = [(document, keep_file(document, f"transfer-requests/{timezone.now():%Y/%m}")) for document in documents]
    with transaction.atomic(), acting(by, "transfer.request"):
        lock_account(account)
        refuse_closed(account)
        if missing := [rule.title for rule in transfer_rules(account, profile, on=on) if not rule.is_met]:
            raise Refused(_("Not possible yet: %(rules)s.") % {"rules": "; ".join(missing)}, "not_eligible")
        request = TransferRequest.objects.create(
            account=account, profile=profile, currency=account.currency, requested_by=by, **values
        )
        _keep(request, files, by)
        tell_of_transfer(request)
    return request


def answer_question(request: TransferRequest, *, answer: str, documents: Iterable[CheckedFile] = (), by: User) -> None:
    """Tell what staff asked for; they look at it again. Refuses what waits for no answer."""
    demand(by, Action.METHOD_REQUEST_TRANSFER, request)
    files = [(document, keep_file(document, f"transfer-requests/{timezone.now():%Y/%m}")) for document in documents]
    with transaction.atomic(), acting(by, "transfer.answer"):
        told = "\n\n".join(filter(None, [request.explanation, answer]))[-2000:]
        move(request, TransferStatus.SUBMITTED, explanation=told, note="")
        _keep(request, files, by)


def withdraw_request(request: TransferRequest, *, by: User) -> None:
    """Ask for it no longer."""
    demand(by, Action.METHOD_REQUEST_TRANSFER, request)
    with transaction.atomic(), acting(by, "transfer.withdraw"):
        move(request, TransferStatus.WITHDRAWN)


# --- Staff --------------------------------------------------------------------------------------


def take_up(request: TransferRequest, *, by: User) -> None:
    """Begin to look at it."""
    with transaction.atomic(), acting(by, "transfer.take_up"):
        move(request, TransferStatus.IN_REVIEW)
        tell_of_transfer(request)


def ask_for_more(request: TransferRequest, *, question: str, by: User) -> None:
    """Have the customer tell or hand in something."""
    with transaction.atomic(), acting(by, "transfer.ask"):
        move(request, TransferStatus.QUESTION, note=question)
        tell_of_transfer(request)


def decline_request(request: TransferRequest, *, reason: str, by: User, at: datetime) -> None:
    """Not agreed, and why."""
    with transaction.atomic(), acting(by, "transfer.decline"):
        move(request, TransferStatus.DECLINED, note=reason, decided_by=by, decided_at=at)
        tell_of_transfer(request)


def approve_request(request: TransferRequest, *, term_days: int, note: str = "", by: User, at: datetime) -> None:
    """Agreed: the profile, or every subscription of the account, pays by transfer within that term from now on.

    Invoices that are issued already keep the due date they have.
    """
    with transaction.atomic(), acting(by, "transfer.approve"):
        move(request, TransferStatus.APPROVED, term_days=term_days, note=note, decided_by=by, decided_at=at)
        method = PaymentMethod.objects.create(
            account=request.account,
            profile=request.profile,
            family=Family.TRANSFER,
            brand=Brand.TRANSFER,
            added_by=request.requested_by,
        )
        profiles = BillingProfile.objects.filter(account=request.account).open().select_related("account")
        profiles = profiles.filter(pk=request.profile_id) if request.profile_id else profiles
        make_default(method, profiles)
        profiles.update(payment_term_days=term_days)
        tell_of_transfer(request)


def _keep(request: TransferRequest, files: Iterable[tuple[CheckedFile, str]], by: User) -> None:
    TransferDocument.objects.bulk_create(
        TransferDocument(
            request=request,
            name=document.name,
            file=file,
            size=len(document.content),
            content_type=document.content_type,
            added_by=by,
        )
        for document, file in files
    )
