"""What the sweep opens of what is owed: credits, purchase orders, corrections, disputes, usage, and paying at once."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from accounts.models import BillingAccount, Seller
from billing_portal.tests.journeys.swept import LONG, Pages
from core.codes import new_code
from core.money import Money
from core.periods import Month
from core.policy import Role
from invoices.models import CreditSource, Invoice, LedgerAccount, NumberSeries
from invoices.services.correction_requests import approve_correction, decline_correction, request_correction
from invoices.services.credits import Overpaid, give_credit, keep_overpaid
from invoices.tests.factories import ChargeFactory, InvoiceFactory, PurchaseOrderFactory, imported_subscription
from payments.services.approvals import set_approval_limit
from payments.services.bank import look_at, set_aside, take_in_file, undo_booking
from payments.services.collecting import open_cases, promise_to_pay
from payments.services.overpaid import use_balance
from payments.services.remittances import make_remittance
from payments.states import PreparedStatus
from payments.tests.bank_files import OUR_IBAN, Move, camt
from payments.tests.factories import (
    PaymentFactory,
    PaymentMethodFactory,
    PreparedPaymentFactory,
    make_remittance_of,
)
from profiles.models import BillingProfile
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory, SubscriptionProfileFactory
from subscriptions.tests.factories import SubscriptionFactory
from support.services import dispute_invoice


def add_owing_pages(pages: Pages, account: BillingAccount, online: BillingAccount) -> None:
    """On profiles of their own, so that nothing here changes what the other pages show."""
    today = timezone.localdate()
    empty = BillingProfileFactory(account=account, name="Marketing")
    profile = BillingProfileFactory(account=account, name="Distribution")
    usage = _usage(profile, today)
    _credits(pages, profile, today)
    _orders(pages, account, profile, today)
    _corrections(pages, profile, today)
    _disputes(pages, profile)
    _paying(pages, profile, today)
    for each in (empty, profile):
        for name in (
            "profile_credits",
            "profile_credit_balance",
            "profile_purchase_orders",
            "profile_purchase_order_new",
            "profile_next_invoice",
            "profile_payment",
            "profile_automatic_payment",
            "profile_payment_approval",
        ):
            pages.add("owner", name, each.code)
    for query in ("", "?line=1", "?q=nothing"):
        pages.add("owner", "invoice_usage", usage.code, query=query)
    _approvals(pages, account)
    _balance(pages, online)
    _bank(pages, BillingProfileFactory(account=account, name="Transfers"))
    _staff(pages, today)


def _approvals(pages: Pages, account: BillingAccount) -> None:
    """What was prepared, in every state, as its owner and as who prepared it; on a profile with a limit."""
    profile = BillingProfileFactory(account=account, name="Procurement")
    set_approval_limit(profile, Money(10_000, profile.currency), by=pages.people["owner"])
    manager = pages.people[Role.INVOICE_MANAGER]
    ProfileRoleFactory(profile=profile, user=manager, role=Role.INVOICE_MANAGER)
    for status in PreparedStatus:
        decided = {"decided_by": pages.people["owner"], "reason": LONG} if status != "waiting" else {}
        prepared = PreparedPaymentFactory(
            invoice=_issued(profile, lines=[999_999_99]), status=status, prepared_by=manager, **decided
        )
        for actor in ("owner", Role.INVOICE_MANAGER):
            pages.add(actor, "prepared_payment", prepared.code)
    pages.add("owner", "prepared_payment_refusal", prepared.code)
    for query in ("", "?status=waiting", "?number=none"):
        pages.add("owner", "prepared_payments", account.code, query=query)
    invoice = _issued(profile, lines=[20_000])
    pages.add(Role.INVOICE_MANAGER, "invoice_payment", invoice.code)
    pages.add(Role.INVOICE_MANAGER, "profile_payment", profile.code)


def _staff(pages: Pages, today: date) -> None:
    """What staff look at first, with something in it and with nothing; and a search."""
    for name in ("admin:index", "admin:exceptions", "admin:receivables", "admin:ledger", "admin:staff_search"):
        pages.add("staff", name)
    for query in ("?by=invoice&sort=oldest", "?q=nobody", f"?on={today - timedelta(days=3000)}", "?on=never"):
        pages.add("staff", "admin:receivables", query=query)
    year = f"?starts_on={today - timedelta(days=300)}&ends_on={today}"
    for query in (f"{year}&currency=EUR", f"?starts_on={today}&ends_on=2020-01-01"):
        pages.add("staff", "admin:ledger", query=query)
    for query in ("?q=alfa", "?q=nothing"):
        pages.add("staff", "admin:staff_search", query=query)


def _issued(profile: BillingProfile, *, days: int = 3, **values: Any) -> Invoice:
    """Of last month, issued so many days ago."""
    today = timezone.localdate()
    return InvoiceFactory(
        profile=profile, month=Month.of(today).plus(-1), issue_date=today - timedelta(days=days), **values
    )


def _usage(profile: BillingProfile, today: date) -> Invoice:
    """An invoice with a line of measured use, and use that the next one bills."""
    subscription = imported_subscription(profile)
    last = Month.of(today).plus(-1)
    measured = {"net_minor": 123, "unit_price": None, "section": LONG}
    invoice = _issued(profile, lines=[measured, 50_00])
    line = invoice.lines.get(position=1)
    for month, of in ((last, line), (Month.of(today), None)):
        ChargeFactory(
            subscription=subscription,
            month=month.first,
            line=of,
            resource_id=f"/subscriptions/{'0' * 32}/{LONG}",
            description=LONG,
            cost=Decimal("1.23"),
            tags={"team": LONG},
        )
    return invoice


def _credits(pages: Pages, profile: BillingProfile, today: date) -> None:
    for days, until, source in (
        (0, today + timedelta(days=10), CreditSource.COMPENSATION),
        (0, None, CreditSource.PREPAID),
        (40, today + timedelta(days=400), CreditSource.PROMOTION),
    ):
        give_credit(
            profile,
            source=source,
            amount=Money(99_999_99, profile.currency),
            starts_on=today + timedelta(days=days),
            expires_on=until,
            description=LONG,
            reason="For the outage of October",
            by=pages.people["staff"],
            on=today,
        )
    for query in ("?status=expired", "?kind=used", "?q=nothing"):
        pages.add("owner", "profile_credits", profile.code, query=query)
        pages.add("owner", "profile_credit_balance", profile.code, query=query)


def _orders(pages: Pages, account: BillingAccount, profile: BillingProfile, today: date) -> None:
    """Of every state, with what was drawn from them."""
    subscription = SubscriptionFactory(profile=profile)
    open_one, nearly, used_up, planned, of_one, closed = (
        PurchaseOrderFactory(profile=profile, **values)
        for values in (
            {"budget_minor": None},
            {"number": "P" * 50},
            {"valid_until": today + timedelta(days=30)},
            {"valid_from": today + timedelta(days=40)},
            {"subscription": subscription},
            {"closed_on": today},
        )
    )
    drawn = {open_one: 70_000, nearly: 85_000, used_up: 120_000}
    _issued(profile, lines=[{"net_minor": net, "purchase_order": each} for each, net in drawn.items()])
    for order in (open_one, nearly, used_up, planned, of_one, closed):
        pages.add("owner", "purchase_order_detail", order.code)
    for name in ("purchase_order_edit", "purchase_order_closing"):
        pages.add("owner", name, nearly.code)
    for query in ("", "?state=used_up", "?q=nothing"):
        pages.add("owner", "purchase_orders", account.code, query=query)


def _corrections(pages: Pages, profile: BillingProfile, today: date) -> None:
    owner, staff = pages.people["owner"], pages.people["staff"]
    for reason in ("", "?reason=name", "?reason=address", "?reason=po_number", "?reason=vat_id", "?reason=amount"):
        pages.add("owner", "correction_request_new", _issued(profile).code, query=reason)
    for answered in ("", "declined", "approved"):
        invoice = _issued(profile)
        wanted = {"reason": "po_number", "proposed": {"po_number": "P" * 50}, "explanation": LONG}
        asked = request_correction(invoice, by=owner, **wanted)
        answer = f"We looked at it.\n\n{LONG}"
        if answered == "declined":
            decline_correction(asked, answer=answer, by=staff)
        elif answered == "approved":
            latest = NumberSeries.objects.aggregate(day=Max("last_issue_date"))["day"]
            approve_correction(asked, answer=answer, by=staff, on=max(today, latest))
        pages.add("owner", "correction_request", asked.code)
        pages.add("owner", "correction_request_new", invoice.code)
        pages.add("owner", "invoice", invoice.code)


def _disputes(pages: Pages, profile: BillingProfile) -> None:
    disputed = _issued(profile)
    asked = dispute_invoice(disputed, text=LONG, by=pages.people["owner"])
    pages.add("owner", "support_request", asked.code)
    pages.add("owner", "invoice", disputed.code)
    of_a_line = _issued(profile, lines=[10_000, 5_000])
    dispute_invoice(of_a_line, line=of_a_line.lines.get(position=1), text=LONG, by=pages.people["owner"])
    pages.add("owner", "invoice", of_a_line.code)
    for invoice in (disputed, _issued(profile), _issued(profile, status="paid")):
        pages.add("owner", "invoice_dispute", invoice.code)


def _paying(pages: Pages, profile: BillingProfile, today: date) -> None:
    PaymentMethodFactory(profile=profile, default_for=[profile])
    late = [_issued(profile, days=90) for _each in range(2)]
    PaymentFactory(invoices=[_issued(profile)], status="processing")  # held by an attempt
    open_cases(at=timezone.now())
    promise_to_pay(late[0], until=today + timedelta(days=5), by=pages.people["owner"], at=timezone.now())
    for invoice in late:
        pages.add("owner", "invoice_promise", invoice.code)
        pages.add("owner", "invoice", invoice.code)
    pages.add("owner", "profile_payment", profile.code, query="?amount=150")
    _overpaid(pages, profile, today)


def _overpaid(pages: Pages, profile: BillingProfile, today: date) -> None:
    """A payment of more than its invoice, a rest that is left, and an invoice that was paid from it."""
    rest = Money(99_999_99, profile.currency)
    bank = LedgerAccount.BANK
    invoice, other = _issued(profile), _issued(profile)
    with transaction.atomic():
        kept = Overpaid(profile.account_id, profile.pk, rest, LONG, new_code())
        (lot,) = keep_overpaid([kept], debit=bank, on=today)
    amount = invoice.amount_due + rest
    paid = PaymentFactory(invoices=[invoice], amount_minor=amount.minor, balance_lot=lot)
    use_balance(other, by=pages.people["owner"])
    for name in ("payment", "payment_receipt"):
        pages.add("owner", name, paid.code)
    pages.add("owner", "payments", profile.account.code)
    for each in (other, _issued(profile, days=90)):
        pages.add("owner", "invoice", each.code)


def _balance(pages: Pages, account: BillingAccount) -> None:
    """With what is past due, and on an account with nothing of it."""
    actor = Role.ACCOUNT_ADMINISTRATOR
    for days in (20, 90):
        profile = SubscriptionProfileFactory(account=account, name=LONG)
        subscription = SubscriptionFactory(profile=profile)
        _issued(profile, days=days + 30)
    pages.add(actor, "account_balance", account.code)
    pages.add(actor, "subscription_automatic_payment", subscription.code)


def _bank(pages: Pages, profile: BillingProfile) -> None:
    """Remittances, and what the bank brought: booked whole and in part, suggested, returned, set aside, undone."""
    account, staff = profile.account, pages.people["staff"]
    Seller.objects.update(iban=OUR_IBAN, bic="ABNANL2A")
    waiting, paid, part, suggested = (_issued(profile) for _each in range(4))
    announced, came = make_remittance(account, [waiting], by=pages.people["owner"]), make_remittance_of(paid)
    moves = [
        Move("121.00", reference=came.reference, name=LONG[:140]),
        Move("150.00", reference=part.payment_reference),
        Move("121.00", text=LONG, name=suggested.account_name),
        Move("-121.00", text=f"Retour {paid.number}", is_return=True),
        Move("-5.00", text="Kosten"),
    ]
    file = take_in_file(camt(moves), name=f"{LONG}.xml", by=staff).file
    look_at(file.entries.all(), at=timezone.now())
    booking = part.allocations.get().payment.bank_booking
    set_aside(file.entries.get(amount_minor=-500), note="Costs of the account itself", by=staff)
    undo_booking(booking, reason="It was meant for another customer", by=staff)
    for made in (announced, came):
        pages.add("owner", "remittance", made.code)
    pages.add("owner", "remittance_payment_file", announced.code)
    for query in ("", "?reference=RF00"):
        pages.add("owner", "remittances", account.code, query=query)
    pages.add("owner", "remittance_new", account.code)
    pages.add("owner", "remittance_new", account.code, query=f"?look=1&profile={profile.code}")
    for entry in file.entries.order_by("pk"):
        pages.add("staff", "admin:bank_entry_booking", entry.pk)
    pages.add("staff", "admin:bank_entry_aside", file.entries.get(text=LONG).pk)
    pages.add("staff", "admin:bank_booking_undoing", came.bookings.get().pk)
    for name in ("payments_bankfile_changelist", "bank_file_new", "payments_bankentry_changelist"):
        pages.add("staff", f"admin:{name}")
    for query in ("?needs_a_look=yes", "?q=nothing"):
        pages.add("staff", "admin:payments_bankentry_changelist", query=query)
