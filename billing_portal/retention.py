"""People who left, and accounts that were closed: what is personal goes, and what the books name stays under a
pseudonym (L8, I29)."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Greatest
from django.utils.translation import gettext_lazy as _

from accounts.models import (
    AccountRole,
    Address,
    BillingAccount,
    Invitation,
    MemberInvitation,
    NameChange,
    OrganisationMember,
    OrganisationRole,
    Proof,
    ScopeMemory,
    TopicChoice,
    User,
    UserProfile,
)
from core.history import acting
from core.models import MailComplaint
from core.retention import keeps, start_of
from core.seals import erase_actors, erase_history
from invoices.models import Invoice
from invoices.retention import LONG_YEARS, remove_files
from payments.models import PaymentMethod, TransferRequest
from profiles.models import BillingProfile, ExtraRecipient, ProfileRole

YEARS = 2
# RFC 2606: nobody has a mailbox there.
ERASED = "@erased.invalid"
OF_PERSON = ("email", "name", "contact_email", "alternate_email", "phone")
OF_PROFILE = (
    "job_title", "department", "employee_id", "office", "business_phone", "line1", "postal_code", "city", "region",
    "picture",
)  # fmt: skip
OF_ADDRESS = (
    "company_name", "contact_name", "email", "phone", "line1", "line2", "line3", "district", "city", "region",
    "postal_code",
)  # fmt: skip
OF_ACCOUNT = ("name", "vat_id", "registration_number", "status_note")
OF_NAME_CHANGE = ("old_name", "new_name", "note", "document", "document_name", "decision_note")
OF_METHOD = ("holder", "billing_address")
OF_TRANSFER = ("legal_name", "registration_number", "contact_name", "contact_email", "contact_phone", "explanation")


def _people(on: date) -> QuerySet[User]:
    """Nobody's colleague any more and no staff: no role that counts or counted lately, no sign-in, nothing changed."""
    since = start_of(on - timedelta(days=365 * YEARS))
    left = User.objects.exclude(email__endswith=ERASED).filter(is_staff=False, is_superuser=False)
    left = left.annotate(seen_at=Greatest("date_joined", "last_login")).filter(seen_at__lt=since)
    lasting = Q(expires_on=None) | Q(expires_on__gte=since.date())
    for held, is_alive in (
        (AccountRole, lasting & ~Q(account__status="closed")),
        (ProfileRole, lasting & ~Q(profile__account__status="closed")),
        (OrganisationRole, Q()),
    ):
        own = held.objects.filter(is_alive, user=OuterRef("pk"))  # type: ignore[attr-defined]
        left = left.filter(Q(is_active=False) | ~Exists(own))
        lately = held.pgh_event_model.objects.filter(user_id=OuterRef("pk"), pgh_created_at__gte=since)  # type: ignore[union-attr]
        left = left.filter(~Exists(lately))
    left = left.filter(Q(is_active=False) | ~Exists(OrganisationMember.objects.filter(user=OuterRef("pk"))))
    changed = User.pgh_event_model.objects.filter(pgh_obj_id=OuterRef("pk"), pgh_created_at__gte=since)  # type: ignore[attr-defined]
    return left.filter(~Exists(changed))


@keeps("people who left", for_=_("2 years after their last role and their last visit"), due=_people)
def erase_people(rows: Sequence[User]) -> None:
    """What is theirs goes, also from the history; where the books name them stands a pseudonym, `#` and a number."""
    for person in rows:
        _erase_person(person)
    erase_actors([person.pk for person in rows])


def _erase_person(person: User) -> None:
    addresses = [each for each in (person.email, person.contact_email, person.alternate_email) if each]
    with acting(None, "person.erased"):
        for profile in UserProfile.objects.filter(user=person):
            picture, profile_id = profile.picture.name, profile.pk
            profile.delete()
            erase_history(UserProfile, profile_id, fields=OF_PROFILE)
            remove_files([picture or ""])
        for model in (Proof, ScopeMemory, TopicChoice, Authenticator, EmailAddress):
            model.objects.filter(user=person).delete()  # type: ignore[attr-defined]
        MailComplaint.objects.filter(recipient__in=[each.lower() for each in addresses]).delete()
        for address in addresses:
            Invitation.objects.filter(email__iexact=address).update(email=f"{person.pk}{ERASED}")
            MemberInvitation.objects.filter(email__iexact=address).update(
                email=f"{person.pk}{ERASED}", name=f"#{person.pk}", job_title="", department=""
            )
        person.set_unusable_password()
        User.objects.filter(pk=person.pk).update(
            email=f"{person.pk}{ERASED}",
            name=f"#{person.pk}",
            password=person.password,
            is_active=False,
            phone="",
            phone_verified_at=None,
            contact_email="",
            contact_email_verified_at=None,
            contact_email_confirmed_at=None,
            alternate_email="",
            alternate_email_verified_at=None,
        )
    erase_history(User, person.pk, fields=OF_PERSON)


def _accounts(on: date) -> QuerySet[BillingAccount]:
    """Closed, nothing of them changed for two years, and the longest time of every invoice is over."""
    since = start_of(on - timedelta(days=365 * YEARS))
    young = Q(issue_date=None) | Q(issue_date__gte=date(on.year - LONG_YEARS, 1, 1))
    kept = Invoice.objects.filter(young, account=OuterRef("pk"))
    changed = BillingAccount.pgh_event_model.objects.filter(pgh_obj_id=OuterRef("pk"), pgh_created_at__gte=since)  # type: ignore[attr-defined]
    closed = BillingAccount.objects.filter(status="closed").exclude(name=F("code"))
    return closed.filter(~Exists(kept), ~Exists(changed))


@keeps("closed accounts", for_=_("10 years after the year of the last invoice, and 2 after the closing"), due=_accounts)
def erase_accounts(rows: Sequence[BillingAccount]) -> None:
    """Name, numbers, addresses and contacts go, also from the history; the code stays, which the books name."""
    for account in rows:
        with acting(None, "account.erased"):
            _erase_account(account)


def _erase_account(account: BillingAccount) -> None:
    profiles = BillingProfile.objects.filter(account=account)
    addresses = {account.sold_to_id, account.bill_to_id}
    for bill_to, ship_to in profiles.values_list("bill_to", "ship_to"):
        addresses |= {bill_to, ship_to}
    _empty(Address.objects.filter(pk__in=[each for each in addresses if each]), OF_ADDRESS, is_complete=False)
    _empty(PaymentMethod.objects.filter(account=account), OF_METHOD)
    _empty(TransferRequest.objects.filter(account=account), OF_TRANSFER)
    changes = NameChange.objects.filter(account=account)
    remove_files(list(changes.values_list("document", flat=True)))
    _empty(changes, OF_NAME_CHANGE)
    for extra in ExtraRecipient.objects.filter(profile__in=profiles):
        extra_id = extra.pk
        extra.delete()
        erase_history(ExtraRecipient, extra_id, fields=("email",))
    Invitation.objects.filter(account=account).update(email=f"{account.code}{ERASED}")
    _empty(BillingAccount.objects.filter(pk=account.pk), OF_ACCOUNT, name=account.code, external_id=None)


def _empty(rows: QuerySet[Any], fields: Sequence[str], **values: Any) -> None:
    ids = list(rows.values_list("pk", flat=True))
    rows.update(**dict.fromkeys(fields, "") | values)
    for row_id in ids:
        erase_history(rows.model, row_id, fields=fields)
