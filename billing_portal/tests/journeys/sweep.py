"""Every page there is, in every state that changes how it looks: the addresses that the sweep opens."""

import uuid
from datetime import timedelta
from typing import Any

from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.utils import timezone

from accounts.models import AccountRole, BillingAccount, Invitation, MemberInvitation, Proof, User, UserProfile
from accounts.services import digest
from accounts.services.invitations import invite_to_account
from accounts.tests.factories import (
    AccountRoleFactory,
    AddressFactory,
    BillingAccountFactory,
    NameChangeFactory,
    OrganisationFactory,
    OrganisationMemberFactory,
    OrganisationRoleFactory,
    PlannedChangeFactory,
    UserFactory,
)
from accounts.tests.passkeys import add_passkey
from billing_portal.models import TakeOut
from billing_portal.reviews import finish_review, save_choices, start_review
from billing_portal.tests.journeys.sweep_access import add_access_pages
from billing_portal.tests.journeys.sweep_mail import add_mail_pages
from billing_portal.tests.journeys.sweep_owing import add_owing_pages
from billing_portal.tests.journeys.swept import LONG, Pages
from core.codes import new_code
from core.periods import Month
from core.policy import ACCOUNT_ROLES, PROFILE_ROLES, Role
from invoices.documents.codes import check_code
from invoices.models import Document, Invoice
from invoices.tests.factories import InvoiceFactory
from payments.models import CardSetup, Paper, Payment, PaymentMethod
from payments.services.closing import close_account
from payments.tests.factories import PaymentFactory, PaymentMethodFactory, TransferRequestFactory
from profiles.models import BillingProfile, ExtraRecipient
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory, SubscriptionProfileFactory
from subscriptions.models import Subscription
from subscriptions.sections import add_section
from subscriptions.services.changing import cancel_subscription, change_subscription, plan_cancellation, plan_change
from subscriptions.tests.factories import PriceFactory, SubscriptionFactory
from support.tests.factories import SupportMessageFactory, SupportRequestFactory

PAYMENT_STATES = ("created", "processing", "requires_action", "unknown", "succeeded", "failed", "cancelled")


def make_pages() -> Pages:
    """Two accounts, one of each agreement, with something of everything; and one with nothing."""
    pages = Pages()
    today = timezone.localdate()
    organisation = OrganisationFactory(name="Alfa Logistiek")
    owner = UserFactory(name="Marieke de Vries", email="marieke@alfa.example")
    account = BillingAccountFactory(name="Alfa Logistiek B.V.", organisation=organisation, owner=owner)
    profile = BillingProfileFactory(
        account=account, name="Operations NL", po_number="PO-2026-0417", sends_invoices=True
    )
    for email, confirmed_at in (("books@bureau.example", timezone.now()), (f"{'long' * 12}@bureau.example", None)):
        ExtraRecipient.objects.create(profile=profile, email=email, added_by=owner, confirmed_at=confirmed_at)
    long_one = BillingProfileFactory(account=account, name=LONG, po_number="P" * 50)
    _people(pages, account, profile, owner)
    for name in ("Office", LONG):
        add_section(profile, name=name, by=owner)
    _account_pages(pages, account)
    for each in (profile, long_one, BillingProfileFactory(account=account, name="Closed", status="closed")):
        _profile_pages(pages, each)
    _subscription_pages(pages, account, profile)
    _invoice_pages(pages, profile, today)
    online = _online_pages(pages, organisation)
    add_access_pages(pages, account, profile)
    add_owing_pages(pages, account, online)
    add_mail_pages(pages, profile)
    _empty_pages(pages)
    people = ("contact_information", "communication_preferences", "preferences", "scopes")
    for name in ("home", "help", "payment_problems", *people):
        pages.add("owner", name)
    _security_pages(pages, owner)
    _user_pages(pages, organisation, owner)
    for query in ("", "?q=op", "?q=nothingofthekind"):
        pages.add("owner", "search", query=query)
    pages.add("nobody", "document_check")
    pages.add("nobody", "document_check", query="?code=xxxx-xxxx-xxxx")
    pages.add("nobody", "document_check_result", _checked(profile))
    return pages


def _checked(profile: BillingProfile) -> str:
    """The check code of a document that was made."""
    invoice = Invoice.objects.filter(profile=profile).earliest("pk")
    Document.objects.filter(invoice=invoice, kind="pdf").update(check_code=check_code(invoice.code))
    return check_code(invoice.code)


def _user_pages(pages: Pages, organisation: Any, owner: User) -> None:
    """Users of the organisation: active, deactivated, invited, and with everything that is kept of them."""
    code, keeper = organisation.code, Role.USER_ADMINISTRATOR
    somebody = OrganisationMemberFactory(organisation=organisation, user=UserFactory(name=LONG, is_active=False))
    member = OrganisationMemberFactory(organisation=organisation, user=owner)
    UserProfile.objects.create(
        user=owner,
        job_title="Controller",
        department=LONG,
        business_phone="+31104285000",
        city="Rotterdam",
        country="NL",
    )
    offer = MemberInvitation.objects.create(
        organisation=organisation,
        email="new@alfa.example",
        name="New Person",
        language="en",
        token_digest=digest(uuid.uuid4().hex),
        invited_by=pages.people[keeper],
        expires_at=timezone.now() + timedelta(days=7),
    )
    for query in ("", "?q=nothingofthekind", "?state=deactivated"):
        pages.add(keeper, "users", code, query=query)
    pages.add(Role.ORGANISATION_ADMINISTRATOR, "users", code)
    pages.add(keeper, "user_new", code)
    pages.add(keeper, "member_invitation", code, offer.pk)
    for each in (member, somebody):
        for name in ("user", "user_edit", "user_picture", "user_deactivation", "user_password"):
            pages.add(keeper, name, code, each.pk)
    pages.add(Role.ORGANISATION_ADMINISTRATOR, "user", code, member.pk)
    for actor in ("owner", "nobody"):
        for name in ("users_start", "own_profile", "own_picture"):
            pages.add(actor, name)


def _security_pages(pages: Pages, owner: User) -> None:
    """Security info: with everything, with a code that waits, and with nothing yet."""
    now = timezone.now()
    recovery = {"alternate_email": "marieke@private.example", "phone": "+31612345678"}
    User.objects.filter(pk=owner.pk).update(
        **recovery,
        alternate_email_verified_at=now,
        phone_verified_at=now,
        contact_email="post@alfa.example",
        contact_email_verified_at=now - timedelta(days=100),
    )
    for kind, value in (("contact_email", "new@alfa.example"), ("alternate_email", f"marieke@{LONG[:60]}.example")):
        Proof.objects.create(
            user=owner, kind=kind, value=value, code_digest="0" * 64, expires_at=now + timedelta(minutes=10)
        )
    for actor in ("owner", "nobody"):
        pages.add(actor, "security_info")
        pages.add(actor, "contact_information")
    pages.add("owner", "contact_code")
    for name in ("sessions", "second_factor_needed", "mfa_activate_totp", "mfa_add_webauthn"):
        pages.add("nobody", name)
    TOTP.activate(owner, generate_totp_secret())
    RecoveryCodes.activate(owner)
    passkey = add_passkey(owner)
    factors = ("mfa_deactivate_totp", "mfa_view_recovery_codes", "mfa_generate_recovery_codes", "mfa_add_webauthn")
    for name in (*factors, "mfa_reauthenticate", "account_reauthenticate", "account_change_password", "account_logout"):
        pages.add("owner", name)
    pages.add("owner", "mfa_remove_webauthn", passkey.pk)
    for kind in recovery:
        pages.add("owner", "recovery_new", kind)
        pages.add("owner", "recovery_removal", kind)
    pages.add("owner", "recovery_code", "alternate_email")


def _people(pages: Pages, account: Any, profile: BillingProfile, owner: User) -> None:
    pages.people["owner"] = owner
    for role in ACCOUNT_ROLES[1:]:
        user = UserFactory(name=f"Somebody with a rather long name, {role.label}")
        AccountRoleFactory(account=account, user=user, role=role, assigned_by=owner)
        pages.people[role] = user
    for role in PROFILE_ROLES:
        pages.people[role] = ProfileRoleFactory(profile=profile, role=role, user=UserFactory(), assigned_by=owner).user
    for role in (Role.USER_ADMINISTRATOR, Role.ORGANISATION_ADMINISTRATOR):
        user = OrganisationMemberFactory(organisation=account.organisation, user=UserFactory()).user
        pages.people[role] = OrganisationRoleFactory(organisation=account.organisation, user=user, role=role).user
    pages.people["nobody"] = UserFactory(name="Pim Kuipers")
    pages.people["staff"] = UserFactory(name="Joris Postma", staff=True)


def _account_pages(pages: Pages, account: Any) -> None:
    invitation = Invitation.objects.create(
        account=account,
        email="new@alfa.example",
        role=Role.ACCOUNT_READER,
        token_digest=digest(uuid.uuid4().hex),
        expires_at=timezone.now() + timedelta(days=7),
        language="en",
    )
    held = AccountRole.objects.filter(account=account, role=Role.ACCOUNT_READER).get()
    last = AccountRole.objects.filter(account=account, role=Role.ACCOUNT_OWNER).get()
    pages.add("owner", "account_activity", account.code)
    pages.add("owner", "account_activity", account.code, query="?q=nothing")
    new_address = {"line1": LONG, "postal_code": "3011 AD", "city": "Rotterdam"}
    planned = PlannedChangeFactory(account=account, planned_by=held.user, parts=[(account.sold_to, new_address)])
    request = NameChangeFactory(account=account, new_name=LONG, requested_by=held.user)
    pages.add("owner", "account_question", account.code)
    _reviews(pages, account)
    pages.add("owner", "account_viewing", account.code, held.user.pk)
    for action in ("invoice:pay", "invoice:settle_balance"):
        pages.add("owner", "account_question", account.code, query=f"?action={action}")
    for person in (pages.people["owner"], held.user):
        pages.add("owner", "account_person", account.code, person.pk)
    for name in ("account_overview", "account_properties", "account_addresses", "account_access", "account_role_new"):
        pages.add("owner", name, account.code)
    for name in ("account_tax_ids", "account_name_change"):
        pages.add("owner", name, account.code)
    pages.add("owner", "account_change_withdrawal", account.code, planned.pk)
    pages.add("owner", "name_change_withdrawal", request.code)
    pages.add(Role.ORGANISATION_ADMINISTRATOR, "organisation_profile", account.organisation.code)
    pages.add(Role.ORGANISATION_ADMINISTRATOR, "organisation_edit", account.organisation.code)
    pages.add("nobody", "organisations")
    for role in (held, last):
        pages.add("owner", "account_role_removal", account.code, role.pk)
    for name in ("account_invitation_renewal", "account_invitation_removal"):
        pages.add("owner", name, account.code, invitation.pk)
    for name in ("profiles", "profile_new", "invoice_email_preference", "payment_methods", "card_new"):
        pages.add("owner", name, account.code)
    pages.add("owner", "profiles", account.code, query="?q=nothing")
    _planned(pages, "owner", "profile_change_withdrawal", account.profiles.first(), held.user)


def _planned(pages: Pages, actor: str, name: str, profile: BillingProfile, by: User, code: str = "") -> None:
    """A service usage address that will change."""
    profile.ship_to = AddressFactory(kind="ship_to")
    profile.save()
    parts = [(profile.ship_to, {"line1": "Maasvlakte 7", "postal_code": "3199 LZ"})]
    planned = PlannedChangeFactory(account=profile.account, planned_by=by, parts=parts)
    pages.add(actor, name, code or profile.code, planned.pk)


def _profile_pages(pages: Pages, profile: BillingProfile) -> None:
    for name in (
        "profile",
        "profile_edit",
        "profile_addresses",
        "profile_email_preference",
        "profile_recipients",
        "profile_recipient_new",
        "profile_activity",
        "profile_policies",
        "profile_policies_edit",
        "profile_sections",
        "profile_cloning",
        "profile_section_new",
        "profile_closing",
        "profile_method_unlinking",
        "profile_permissions",
        "profile_role_new",
        "profile_payment_methods",
        "profile_card_new",
        "profile_default_method",
        "profile_backup_method",
    ):
        pages.add("owner", name, profile.code)
    for section in profile.sections.all():
        pages.add("owner", "profile_section_edit", profile.code, section.pk)
        pages.add("owner", "profile_section_removal", profile.code, section.pk)
    for extra in profile.extra_recipients.all():
        pages.add("owner", "profile_recipient_removal", profile.code, extra.pk)
    for held in profile.roles.all():
        pages.add("owner", "profile_role_removal", profile.code, held.pk)
        pages.add("owner", "profile_permissions", profile.code, query=f"?why={held.user_id}")


def _subscription_pages(pages: Pages, account: Any, profile: BillingProfile) -> None:
    price = PriceFactory(product__name="Office licence", product__name_nl="Office-licentie")
    subscription = SubscriptionFactory(profile=profile, price=price)
    pages.add("owner", "subscriptions", account.code)
    pages.add("owner", "subscriptions", account.code, query="?q=nothing")
    pages.add("owner", "subscription", subscription.code)
    pages.add("owner", "subscription_section", subscription.code)
    PriceFactory(product__name="Office licence with everything", product__name_nl="Office-licentie compleet")
    for name in ("change", "cancellation", "recurring_billing", "move"):
        pages.add("owner", f"subscription_{name}", subscription.code)
    pages.add("owner", "subscription_change", subscription.code, query="?quantity=12&plan=kept")
    cancelled = cancelled_subscription(profile)
    for name in ("subscription", "subscription_change", "subscription_reactivation"):
        pages.add("owner", name, cancelled.code)
    pages.add("owner", "purchase", account.code)
    pages.add("owner", "purchase_order", account.code, price.pk)
    pages.add("owner", "purchase_order", account.code, price.pk, query=f"?quantity=3&profile={profile.code}")


def cancelled_subscription(profile: BillingProfile) -> Subscription:
    """One that was changed twice and then cancelled."""
    owner, today = profile.account.roles.first().user, timezone.localdate()
    subscription = SubscriptionFactory(profile=profile, started_on=today - timedelta(days=40))
    for quantity in (12, 7):
        planned = plan_change(subscription, quantity=quantity, price=None, on=today)
        asked = {"expected": planned.net, "request_key": new_code(), "by": owner, "on": today}
        change_subscription(subscription, quantity=quantity, price=None, **asked)
    planned = plan_cancellation(subscription, on=today)
    cancel_subscription(subscription, expected=planned.net, request_key=new_code(), by=owner, on=today)
    return subscription


def _invoice_pages(pages: Pages, profile: BillingProfile, today: Any) -> None:
    account = profile.account
    long = InvoiceFactory(profile=profile, lines=[{"net_minor": 100, "section": "Production"} for _each in range(60)])
    pages.add("owner", "invoice", long.code)
    for specimen, until in (("visa", "2099-12-31"), ("mastercard", today + timedelta(days=10)), ("amex", "2020-01-31")):
        card = PaymentMethodFactory(profile=profile, specimen=specimen, valid_until=until)
        pages.add("owner", "method_removal", card.code)
    current = PaymentMethodFactory(profile=profile, default_for=[profile])
    profile.methods.backup = card
    profile.methods.save()
    for name in ("payment_method", "method_edit", "method_replacement", "method_removal", "method_removal_plan"):
        pages.add("owner", name, current.code)
    _transfer_pages(pages, profile)
    query = f"?item={profile.code}&method={PaymentMethod.objects.earliest('pk').code}"
    pages.add("owner", "method_replacement", current.code, query=query)
    pages.add("owner", "profile_card_new", profile.code, query="?family=direct_debit")
    for query in ("?status=in_use", "?card=nobody"):
        pages.add("owner", "profile_payment_methods", profile.code, query=query)
    first = Month.of(today).plus(-len(PAYMENT_STATES) - 4)
    invoices = [InvoiceFactory(profile=profile, month=first.plus(each)) for each in range(len(PAYMENT_STATES) + 3)]
    for invoice, state in zip(invoices, PAYMENT_STATES, strict=False):
        more = {"action_url": "/sandbox/checks/none/"} if state == "requires_action" else {}
        payment = PaymentFactory(invoices=[invoice], method=current, status=state, **more)
        pages.add("owner", "payment", payment.code)
        if state == "unknown":  # no look-up is left: the vendor's staff decide
            Payment.objects.filter(pk=payment.pk).update(next_lookup_at=None)
            pages.add("staff", "admin:payment_decision", payment.pk)
        pages.add("owner", "payment_return", payment.code)
        if payment.receipt_number:
            pages.add("owner", "payment_receipt", payment.code)
    invoices.append(InvoiceFactory(profile=profile, kind="credit_note", month=first.plus(len(invoices))))
    for invoice in invoices:
        pages.add("owner", "invoice", invoice.code)
        pages.add("owner", "invoice_payment", invoice.code)
    pages.add("owner", "invoice_pdf", invoices[-1].code)
    for query in ("", "?status=past_due", "?status=paid", "?number=NONE"):
        pages.add("owner", "invoices", account.code, query=query)
        pages.add("owner", "payments", account.code, query=query)
    for status in ("pending", "ready", "over"):
        TakeOut.objects.create(
            account=account, asked_by=pages.people["owner"], status=status, expires_at=timezone.now()
        )
    pages.add("owner", "take_outs", account.code)
    pages.add("owner", "statements", account.code)
    pages.add("owner", "statement_new", account.code)
    for state in (
        {"status": "pending"},
        {"status": "failed"},
        {"status": "pending", "last_error": "the renderer ended"},
        {"status": "ready", "file": "papers/none.pdf", "sha256": "0" * 64, "size_bytes": 60_000}
        | {"made_at": timezone.now(), "opening_minor": -120, "closing_minor": 99_999_999},
    ):
        paper = Paper.objects.create(
            kind="statement",
            account=account,
            profile=profile,
            starts_on=first.first,
            ends_on=today,
            currency=account.currency,
            language="en",
            asked_by=pages.people["owner"],
            **state,
        )
        pages.add("owner", "statement", paper.code)
    pages.add("owner", "statements", account.code, query=f"?profile={profile.code}")
    pages.add("owner", "support_requests", account.code)
    pages.add("owner", "support_requests", account.code, query="?q=nothing")
    pages.add("owner", "support_request_new", account.code, query=f"?invoice={invoices[-1].code}")
    pages.add("owner", "support_request_new", account.code, query=f"?category=profile&profile={profile.code}")
    for status in ("answered", "closed"):
        asked = SupportRequestFactory(profile=profile, subject=f"Why this charge? {LONG}", status=status)
        SupportMessageFactory(request=asked, text=f"We look at it.\n\n{LONG}", is_answer=True)
        pages.add("owner", "support_request", asked.code)
    setup = CardSetup.objects.create(
        account=account, profile=profile, gateway="sandbox", idempotency_key=uuid.uuid4().hex, status="cancelled"
    )
    pages.add("owner", "card_setup_return", setup.code)


def _transfer_pages(pages: Pages, profile: BillingProfile) -> None:
    pages.add("owner", "profile_transfer_new", profile.code)
    for status in ("submitted", "question", "approved", "declined"):
        is_open, values = status in {"submitted", "question"}, {"note": "Which accounts do you mean?", "term_days": 30}
        of = BillingProfileFactory(account=profile.account) if is_open else profile
        request = TransferRequestFactory(profile=of, requested_by=pages.people["owner"], status=status, **values)
        pages.add("owner", "transfer_request", request.code)
        if status == "question":
            pages.add("owner", "transfer_answer", request.code)


def _online_pages(pages: Pages, organisation: Any) -> BillingAccount:
    administrator = UserFactory(name="Inge Smit")
    account = BillingAccountFactory(
        name=LONG, organisation=organisation, online_services=True, owner=administrator, status="active"
    )
    pages.people[Role.ACCOUNT_ADMINISTRATOR] = administrator
    profile = SubscriptionProfileFactory(account=account)
    subscription = SubscriptionFactory(profile=profile)
    PaymentMethodFactory(account=account, default_for=[profile])
    invoice = InvoiceFactory(profile=profile)
    actor = Role.ACCOUNT_ADMINISTRATOR
    for name in (
        "account_overview",
        "account_properties",
        "account_addresses",
        "account_access",
        "account_role_new",
        "profiles",
        "payment_methods",
        "card_new",
        "subscriptions",
        "purchase",
        "invoices",
        "payments",
    ):
        pages.add(actor, name, account.code)
    pages.add(actor, "account_transfer_new", account.code)
    for name in ("subscription", "subscription_payment_methods", "subscription_method", "subscription_card_new"):
        pages.add(actor, name, subscription.code)
    pages.add(actor, "subscription_change", subscription.code)
    pages.add(actor, "subscription_address", subscription.code)
    _planned(pages, actor, "subscription_change_withdrawal", profile, administrator, subscription.code)
    for name in ("account_tax_ids", "account_name_change"):
        pages.add(actor, name, account.code)
    for name in ("subscription_email_preference", "subscription_recipients", "subscription_recipient_new"):
        pages.add(actor, name, subscription.code)
    extra = ExtraRecipient.objects.create(profile=profile, email="books@bureau.example")
    pages.add(actor, "subscription_recipient_removal", subscription.code, extra.pk)
    pages.add(actor, "invoice", invoice.code)
    pages.add(actor, "invoice_payment", invoice.code)
    return account


def _empty_pages(pages: Pages) -> None:
    """An account that was just made, somebody who sees none, and an address that leads nowhere."""
    newcomer = UserFactory(name="New Owner")
    account = BillingAccountFactory(name="Just made B.V.", owner=newcomer)
    pages.people["newcomer"] = newcomer
    for name in (
        "account_overview",
        "profiles",
        "payment_methods",
        "subscriptions",
        "purchase",
        "invoices",
        "payments",
        "statements",
        "support_requests",
    ):
        pages.add("newcomer", name, account.code)
    _closing_pages(pages, account)
    for name in ("home", "scopes", "search"):
        pages.add("nobody", name)
    pages.add("nobody", "account_overview", account.code)
    pages.add(Role.ACCOUNT_READER, "profile_new", Invoice.objects.first().account.code)  # type: ignore[union-attr]


def _closing_pages(pages: Pages, empty: BillingAccount) -> None:
    """Closing an account with everything in the way, with nothing, and with what is withdrawn; and one that is closed:
    what it shows, and what it refuses."""
    newcomer = pages.people["newcomer"]
    owned = BillingAccount.objects.get(name="Alfa Logistiek B.V.")
    pages.add("owner", "account_closing", owned.code)
    pages.add("newcomer", "account_closing", empty.code)
    waiting, gone = (BillingAccountFactory(name=name, owner=newcomer) for name in (LONG, "Gone B.V."))
    for each in (waiting, gone):
        invite_to_account(each, email="new@bureau.example", role=Role.ACCOUNT_READER, by=newcomer)
        InvoiceFactory(profile=BillingProfileFactory(account=each, name="Operations"), status="paid")
    pages.add("newcomer", "account_closing", waiting.code)
    close_account(gone, by=newcomer, on=timezone.localdate())
    for name in ("account_overview", "account_properties", "account_access", "profiles", "subscriptions", "invoices"):
        pages.add("newcomer", name, gone.code)
    for name in ("payments", "payment_methods", "support_requests", "support_request_new", "profile_new", "purchase"):
        pages.add("newcomer", name, gone.code)
    profile = gone.profiles.get()
    for name in ("profile", "profile_permissions", "profile_payment_methods", "profile_policies"):
        pages.add("newcomer", name, profile.code)


def _reviews(pages: Pages, account: BillingAccount) -> None:
    """One that is finished, one under way with something of every choice, and the end of it."""
    owner = pages.people["owner"]
    first = start_review(account, by=owner)
    save_choices(first, dict.fromkeys(first.roles.values_list("pk", flat=True), "keep"), by=owner)
    finish_review(first, by=owner)
    seen = ProfileRoleFactory(profile=BillingProfileFactory(account=account, name="Looked at"), user__name=LONG)
    pages.add("owner", "profile_viewing", seen.profile.code, seen.user.pk)
    review = start_review(account, by=owner)
    rows = list(review.roles.exclude(held_on=0).values_list("pk", flat=True))
    save_choices(review, {rows[0]: "keep", rows[-1]: "remove"}, by=owner)
    for each in (first, review):
        pages.add("owner", "access_review", each.code)
        pages.add("owner", "access_review_end", each.code)
    for query in ("?show=undecided", "?show=gone", "?q=nobody"):
        pages.add("owner", "access_review", review.code, query=query)
    pages.add("owner", "account_reviews", account.code)
    pages.add("owner", "account_review_interval", account.code)
    empty = BillingAccountFactory(name=LONG, owner=owner)
    pages.add("owner", "account_reviews", empty.code)
    pages.add("owner", "account_review_new", empty.code)
