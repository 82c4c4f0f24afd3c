"""Another legal name for the sold-to: asked for with proof, decided by the vendor's staff (§3.1)."""

from contextlib import ExitStack
from mimetypes import guess_extension
from typing import Any
from uuid import uuid4

from django.core.exceptions import PermissionDenied
from django.core.files.base import ContentFile
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Address, BillingAccount, NameChange, Seller
from accounts.services.addresses import is_complete
from accounts.services.invitations import is_customer_staff
from accounts.services.notices import mail_people, owners_of
from accounts.services.roles import lock_account, refuse_closed
from accounts.states import NameChangeStatus
from core.errors import Refused
from core.history import acting
from core.messages import MailClass, queue_message
from core.policy import Action, demand
from core.states import move
from core.uploads import CheckedFile


def request_name_change(
    account: BillingAccount, *, new_name: str, note: str, document: CheckedFile, by: Any
) -> NameChange:
    """Ask for another legal name. The owners and the vendor get a mail; nothing changes until staff decides.

    Refuses `same_name`, and `request_waits` where one waits already.
    """
    demand(by, Action.ACCOUNT_REQUEST_LEGAL_NAME, account)
    new_name = " ".join(new_name.split())
    _refuse_needless(account, new_name)
    request = NameChange(
        account=account,
        new_name=new_name,
        note=note,
        document_name=document.name,
        document_type=document.content_type,
        requested_by=by,
    )
    # The file is written before the row and taken away where the row is not: no row names a file that is not there.
    ending = guess_extension(document.content_type)
    request.document.save(f"{uuid4().hex}{ending}", ContentFile(document.content), save=False)
    with ExitStack() as undo:
        undo.callback(request.document.delete, save=False)
        _write(request, by)
        undo.pop_all()
    return request


@transaction.atomic
def withdraw_name_change(request: NameChange, *, by: Any) -> None:
    """Take a request back that nobody has decided yet. Refuses `no_such_edge` or `moved_meanwhile` afterwards."""
    demand(by, Action.ACCOUNT_REQUEST_LEGAL_NAME, request.account)
    with acting(by, "name_change.withdrawn"):
        move(request, NameChangeStatus.WITHDRAWN, decided_by=by, decided_at=timezone.now())


@transaction.atomic
def approve_name_change(request: NameChange, *, note: str = "", by: Any) -> None:
    """Give the sold-to its new legal name, for invoices from now on; the owners get a mail. For staff."""
    _demand_staff(by)
    with acting(by, "name_change.approved"):
        _decide(request, NameChangeStatus.APPROVED, note, by)
        address = Address.objects.select_for_update().get(pk=request.account.sold_to_id)
        whole = is_complete(address.country.code, {**address.snapshot(), "company_name": request.new_name})
        Address.objects.filter(pk=address.pk).update(
            company_name=request.new_name,
            is_complete=whole,
            version=address.version + 1,
            updated_at=timezone.now(),
        )


@transaction.atomic
def refuse_name_change(request: NameChange, *, note: str, by: Any) -> None:
    """Say no, with the reason that the owners get by mail. For staff. Refuses `reason_missing`."""
    _demand_staff(by)
    if not note.strip():
        raise Refused(_("Say why, so that the customer knows what to do: the mail carries it."), "reason_missing")
    with acting(by, "name_change.refused"):
        _decide(request, NameChangeStatus.REFUSED, note, by)


def _decide(request: NameChange, status: NameChangeStatus, note: str, by: Any) -> None:
    move(request, status, decided_by=by, decided_at=timezone.now(), decision_note=note.strip())
    account = request.account
    mail_people(
        [*owners_of(account), request.requested_by],
        template="name_change_decided",
        mail_class=MailClass.ACCESS_CHANGED,
        context={
            "name": account.name,
            "new_name": request.new_name,
            "is_approved": status == NameChangeStatus.APPROVED,
            "note": note.strip(),
            "path": reverse("account_name_change", args=[account.code]),
        },
        reference=f"namechange:{request.pk}",
        key=f"namechange:{request.pk}:{status}",
    )


@transaction.atomic
def _write(request: NameChange, by: Any) -> None:
    account = request.account
    lock_account(account)
    refuse_closed(account)
    account.sold_to.refresh_from_db(fields=["company_name"])
    _refuse_needless(account, request.new_name)
    request.old_name = account.sold_to.company_name
    with acting(by, "name_change.requested"):
        request.save(force_insert=True)
    path = reverse("account_name_change", args=[account.code])
    context = {"name": account.name, "new_name": request.new_name, "by": str(by), "path": path}
    mail_people(
        [*owners_of(account), by],
        template="name_change_requested",
        mail_class=MailClass.ACCESS_CHANGED,
        context=context,
        reference=f"namechange:{request.pk}",
        key=f"namechange:{request.pk}",
    )
    _tell_vendor(request, context)


def _tell_vendor(request: NameChange, context: dict[str, str]) -> None:
    seller = Seller.objects.first()
    if seller and seller.email:
        path = reverse("admin:accounts_namechange_change", args=[request.pk])
        queue_message(
            to=seller.email,
            template="name_change_to_review",
            mail_class=MailClass.SERVICE,
            language="en",
            context={**context, "path": path},
            reference=f"namechange:{request.pk}",
        )


def _refuse_needless(account: BillingAccount, new_name: str) -> None:
    if new_name == account.sold_to.company_name:
        raise Refused(_("This is the legal name already."), "same_name")
    if NameChange.objects.filter(account=account, status=NameChangeStatus.REQUESTED).exists():
        raise Refused(
            _("A request for this account waits for review already. Withdraw it to send another."), "request_waits"
        )


def _demand_staff(by: Any) -> None:
    if by is None or not is_customer_staff(by):
        raise PermissionDenied("only the staff of the vendor decides about legal names")
