"""The demo world: two customers and a year of their billing, made by the services that people use.

Everything is made on the day on which it would have happened, month by month, by moving the clock of
this process. Nothing is random; on the same day the same world comes out.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import time_machine
from django.utils import timezone

from accounts.models import (
    AccountRole,
    Agreement,
    BillingAccount,
    Invitation,
    Organisation,
    OrganisationMember,
    OrganisationRole,
    ProofKind,
    Seller,
    User,
)
from accounts.services import (
    accept_as_new_person,
    accept_invitation,
    assign_account_role,
    create_customer,
    plan_account_addresses,
    request_name_change,
    update_organisation,
)
from accounts.services.contact import ask_for_proof, give_code
from accounts.services.people import invite_member, save_person
from billing_portal.demo.bank import bank
from billing_portal.demo.catalogue import PRODUCTS, SELLER
from billing_portal.demo.owing import LATE_PAYER, owe
from billing_portal.demo.people import ALFA, BETA, PASSWORD, PEOPLE, Person
from billing_portal.demo.rights import away_and_invited, invoice_viewers, reviewed, viewed_as
from billing_portal.demo.usage import usage_file
from billing_portal.take_outs import ask_for_take_out
from core.bounces import Bounce, note_bounce
from core.history import acting
from core.jobs import registry, run_due
from core.mail_events import note_complaint
from core.models import Message
from core.money import Money
from core.periods import Month, months_between
from core.policy import Role
from core.uploads import CheckedFile
from invoices.models import Delivery, Invoice, ParkReason
from invoices.services.charge_import import import_charges
from invoices.services.correction_requests import approve_correction, request_correction
from invoices.services.credits import give_credit
from invoices.services.drafts import Problem
from invoices.services.holding import hold_profile
from invoices.services.looking import look_beforehand, start_preflight
from invoices.services.parking import park_profiles
from invoices.services.purchase_orders import OrderValues, add_purchase_order
from invoices.services.run import run_billing
from payments.gateways.sandbox import api as sandbox
from payments.gateways.sandbox.cards import SPECIMENS
from payments.gateways.sandbox.jobs import deliver_webhook
from payments.models import Family, PaymentMethod
from payments.services.cards import finish_card_setup, start_card_setup
from payments.services.collecting import open_cases
from payments.services.debits import announce_debit
from payments.services.methods import set_automatic_payment, set_backup_method, set_default_method
from payments.services.papers import ask_for_statement
from payments.services.pay import pay_invoices
from payments.services.transfers import request_transfer, take_up
from payments.transfers import transfer_rules
from profiles.models import BillingProfile, InvoiceSection
from profiles.services.profiles import create_profile, set_email_preference, set_policies
from profiles.services.recipients import add_recipient, confirm_recipient, link_of, mute_invoices
from profiles.services.roles import assign_profile_role
from subscriptions.models import Price, Product, Subscription, Term
from subscriptions.sections import add_section, move_to_section
from subscriptions.services.purchasing import purchase_product
from support.services import answer_request, dispute_invoice, open_request

INVOICE_DAY, PAYING_DAY = 5, 18
# Numbers of the sandbox: one that is always good, one whose bank says that there is too little money, and a
# good one of another brand.
GOOD, DECLINING, OTHER = "4242424242424242", "4000000000010001", "5555555555554444"
PRODUCTION = "Production"
# The smallest file that is a PDF.
EXTRACT = b"%PDF-1.4\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n2 0 obj\n<</Type/Pages/Kids[]/Count 0>>\nendobj\n"
EXTRACT += b"trailer\n<</Root 1 0 R>>\n%%EOF\n"

Say = Callable[[str], object]


@dataclass
class World:
    """What has been made so far, by the names the story uses."""

    today: date
    say: Say
    people: dict[str, User] = field(default_factory=dict)
    profiles: dict[str, BillingProfile] = field(default_factory=dict)
    cards: dict[int, PaymentMethod] = field(default_factory=dict)

    @property
    def last_month(self) -> Month:
        """The latest month whose invoice day has come."""
        month = Month.of(self.today).previous
        return month if self.today.day >= INVOICE_DAY else month.previous

    @property
    def first_month(self) -> Month:
        return self.last_month.plus(-11)


def make_world(say: Say) -> None:
    """Make everything, in a database that holds nothing but the marker."""
    world = World(timezone.localdate(), say)
    with clock_at(world.first_month.first):
        say("The vendor and what it sells")
        _vendor(world)
        say("Alfa Logistiek and Beta Bouw")
        _alfa(world)
        _beta(world)
        _work()
        _recovery(world)
        _kept_people(world)
        _work()
    for month in months_between(world.first_month, world.last_month):
        say(f"Billing {month}")
        _bill(world, month)
        if month == world.last_month.plus(-4):
            with clock_at(month.next.first + timedelta(days=20)):
                reviewed(BillingAccount.objects.get(name=ALFA), world.people)
                _work()
    say("Reminders")
    _collect(world)
    say("What waits")
    _rights(world)
    _waiting(world)
    _staff(world)
    _questions(world)
    _transfer(world)
    _statement(world)
    _mail_and_take_out(world)
    _credits_and_corrections(world)
    _direct_debit(world)
    owe(world.people, world.cards, _work)
    bank(world.people, _work, today=world.today)
    _work()


@contextmanager
def clock_at(day: date, hour: int = 9) -> Iterator[None]:
    """Inside, it is that hour (UTC) of that day, and the clock goes on ticking."""
    with time_machine.travel(datetime.combine(day, time(hour), UTC), tick=True):
        yield


def _vendor(world: World) -> None:
    with acting(None, "demo.made"):
        Seller.objects.create(**SELLER)
        for values in PRODUCTS:
            product = Product.objects.create(**{name: value for name, value in values.items() if name != "prices"})
            for term, amount in values["prices"].items():
                Price.objects.create(
                    product=product,
                    currency="EUR",
                    term=term,
                    unit_price=Decimal(amount),
                    valid_from=world.first_month.previous.first,
                )
        staff = _person("finance@vendor.example")
        world.people[staff.email] = User.objects.create_superuser(staff.email, PASSWORD, name=staff.name)


def _alfa(world: World) -> None:
    account = _customer(
        world,
        ALFA,
        ALFA,
        Agreement.CUSTOMER_AGREEMENT,
        "marieke@alfa.example",
        {"line1": "Waalhaven Zuidzijde 21", "postal_code": "3089 JH", "city": "Rotterdam", "phone": "+31 10 428 50 00"},
        vat_id="NL000099998B57",
        registration_number="24381907",
    )
    marieke = world.people["marieke@alfa.example"]
    for name in ("sanne", "lars", "noor", "daan", "tom", "fatima"):
        _join(world, f"{name}@alfa.example", account.organisation)
    _give(world, account, "sanne@alfa.example", Role.ACCOUNT_CONTRIBUTOR)
    _give(world, account, "lars@alfa.example", Role.ACCOUNT_READER)
    for name, po_number in (("Operations NL", "PO-2026-0417"), ("Warehouse Rotterdam", ""), ("IT & Data", "")):
        profile = create_profile(account, name=name, po_number=po_number, by=marieke)
        set_email_preference(profile, sends_invoices=True, attaches_pdf=name != "IT & Data", by=marieke)
        world.profiles[name] = profile
    for profile_name, email, role in (
        ("IT & Data", "noor@alfa.example", Role.PROFILE_OWNER),
        ("Warehouse Rotterdam", "daan@alfa.example", Role.PROFILE_CONTRIBUTOR),
        ("Operations NL", "tom@alfa.example", Role.INVOICE_MANAGER),
        ("Operations NL", "fatima@alfa.example", Role.PROFILE_READER),
    ):
        assign_profile_role(world.profiles[profile_name], user=world.people[email], role=role, by=marieke)
    _recipients_and_sections(world)
    _orders(world)
    this_month = Month.of(world.today)
    _card(world, world.profiles["Operations NL"], GOOD, this_month.plus(30), "sanne@alfa.example")
    _backup(world, world.profiles["Operations NL"], "sanne@alfa.example")
    _card(world, world.profiles["Warehouse Rotterdam"], GOOD, this_month, "daan@alfa.example")
    _card(world, world.profiles["IT & Data"], GOOD, this_month.plus(20), "noor@alfa.example")
    for profile_name, code, quantity in (
        ("Operations NL", "wms-professional", 48),
        ("Operations NL", "scanner-link", 4),
        ("Operations NL", "support-standard", 1),
        ("Warehouse Rotterdam", "wms-professional", 22),
        ("Warehouse Rotterdam", "backup", 12),
        ("IT & Data", "office", 38),
        ("IT & Data", "backup", 5),
    ):
        _buy(world, account, code, quantity, "sanne@alfa.example", world.profiles[profile_name])
    _meter(account, world.profiles["Operations NL"])
    _group(world)


def _rights(world: World) -> None:
    """Who is away, invited, waiting and viewed as."""
    away_and_invited(world.profiles["Warehouse Rotterdam"], world.people, world.today)
    invoice_viewers(world.people)
    viewed_as(BillingAccount.objects.get(name=ALFA), world.people)


def _recipients_and_sections(world: World) -> None:
    """The bookkeeper gets the invoices of the operations, and has said yes; somebody of theirs has not yet."""
    profile, marieke = world.profiles["Operations NL"], world.people["marieke@alfa.example"]
    extra = add_recipient(profile, email="facturen@boekhouder.example", language="nl", by=marieke)
    confirm_recipient(link_of(extra).split("/")[2])
    add_recipient(profile, email="archief@boekhouder.example", language="nl", by=marieke)
    mute_invoices(profile, muted=True, by=world.people["fatima@alfa.example"])
    set_policies(world.profiles["IT & Data"], marketplace_policy="free", allows_reservations=False, by=marieke)
    for name in ("Magazijn", "Kantoor"):
        add_section(profile, name=name, by=marieke)


def _orders(world: World) -> None:
    """A purchase order that invoices draw from, and one that takes over from it."""
    warehouse, daan = world.profiles["Warehouse Rotterdam"], world.people["daan@alfa.example"]
    first = Month.of(world.today).plus(-6).first
    for number, budget, starts in (("45001188", 900_000, first), ("45001923", 2_500_000, world.today)):
        add_purchase_order(warehouse, OrderValues(number, starts, budget=Money(budget, warehouse.currency)), by=daan)


def _group(world: World) -> None:
    """What the operations bought, under the sections of their invoice."""
    profile, marieke = world.profiles["Operations NL"], world.people["marieke@alfa.example"]
    sections = {section.name: section for section in InvoiceSection.objects.filter(profile=profile)}
    for subscription in Subscription.objects.filter(profile=profile, product__isnull=False).order_by("pk"):
        name = "Kantoor" if subscription.product and "support" in subscription.product.code else "Magazijn"
        move_to_section(subscription, section=sections[name], by=marieke)


def _questions(world: World) -> None:
    """A question about the latest invoice that was answered, and one about a profile that waits."""
    invoice = Invoice.objects.filter(profile=world.profiles["Operations NL"]).order_by("-pk").first()
    if invoice is None:
        return
    tom, noor = world.people["tom@alfa.example"], world.people["noor@alfa.example"]
    asked = open_request(
        invoice.account,
        category="charge",
        subject=f"Verbruik op factuur {invoice.number}",
        text="Het verbruik is hoger dan vorige maand. Waar komt dat door?",
        invoice=invoice,
        by=tom,
    )
    staff = world.people["finance@vendor.example"]
    text = "Op twee dagen is meer gerekend dan anders. De bijlage bij de factuur noemt ze per dag."
    answer_request(asked, text=text, closes=False, by=staff)
    open_request(
        invoice.account,
        category="profile",
        subject="Betalingstermijn",
        text="Kan de termijn van dit profiel naar 45 dagen?",
        profile=world.profiles["IT & Data"],
        by=noor,
    )


def _beta(world: World) -> None:
    address = {"line1": "Energieweg 8", "postal_code": "7041 AC", "city": "'s-Heerenberg", "phone": "+31 314 66 12 34"}
    facts = {"vat_id": "NL000099998B57", "registration_number": "09112233"}
    account = _customer(world, BETA, BETA, Agreement.ONLINE_SERVICES, "inge@beta.example", address, **facts)
    for code, quantity in (("office", 9), ("backup", 2)):
        profile = _buy(world, account, code, quantity, "inge@beta.example")
        _card(world, profile, GOOD, Month.of(world.today).plus(18), "inge@beta.example")
    organisation = account.organisation
    for name in ("bas", "eva", "niemand"):
        _join(world, f"{name}@beta.example", organisation)
    for name, role in (("bas", Role.USER_ADMINISTRATOR), ("eva", Role.ORGANISATION_ADMINISTRATOR)):
        with acting(None, "demo.made"):
            OrganisationRole.objects.create(
                organisation=organisation, user=world.people[f"{name}@beta.example"], role=role
            )
    projects = _customer(world, organisation, LATE_PAYER, Agreement.CUSTOMER_AGREEMENT, "inge@beta.example", address)
    profile = _buy(world, projects, "support-standard", 1, "inge@beta.example")
    _card(world, profile, GOOD, Month.of(world.today).plus(18), "inge@beta.example")
    set_automatic_payment(profile, is_on=False, by=world.people["inge@beta.example"])


def _recovery(world: World) -> None:
    """Marieke can replace a lost password: alternate e-mail and phone, proved by the codes that were sent there."""
    marieke = world.people["marieke@alfa.example"]
    for kind, value in ((ProofKind.ALTERNATE_EMAIL, "marieke@thuis.example"), (ProofKind.PHONE, "+31612345678")):
        ask_for_proof(marieke, kind, value)
        sent = Message.objects.filter(template="proof_code").latest("pk")
        give_code(marieke, kind, sent.secret_context["code"])


def _kept_people(world: World) -> None:
    """What Bas keeps of the people of Beta Bouw, and somebody he has invited."""
    bas = world.people["bas@beta.example"]
    organisation = Organisation.objects.get(name=BETA)
    for email, values in (
        ("inge@beta.example", {"job_title": "Directeur", "department": "Directie", "business_phone": "+31314661234"}),
        ("eva@beta.example", {"job_title": "Controller", "department": "Financiën", "employee_id": "B-014"}),
        ("niemand@beta.example", {"job_title": "Werkvoorbereider", "department": "Uitvoering", "city": "Doetinchem"}),
    ):
        save_person(world.people[email], values, version=1, by=bas, organisation=organisation)
    invite_member(
        organisation, email="jan@beta.example", name="Jan te Brake", language="nl", job_title="Uitvoerder", by=bas
    )


def _customer(
    world: World,
    organisation: Organisation | str,
    name: str,
    agreement: Agreement,
    owner: str,
    address: Mapping[str, str],
    **facts: str,
) -> BillingAccount:
    """Staff make the customer; the owner follows the link in the mail."""
    person = _person(owner)
    account = create_customer(
        organisation=organisation,
        name=name,
        agreement=agreement,
        country="NL",
        sold_to={"company_name": name, "contact_name": person.name, "email": person.email, **address},
        owner_email=owner,
        language="nl",
        by=None,
        **facts,
    )
    invitation = Invitation.objects.get(account=account)
    if owner in world.people:
        accept_invitation(invitation, by=world.people[owner])
    else:
        world.people[owner] = accept_as_new_person(invitation, name=person.name, password=PASSWORD)
        _choose_language(world.people[owner], person.language)
    return account


def _person(email: str) -> Person:
    return next(person for person in PEOPLE if person.email == email)


def _join(world: World, email: str, organisation: Organisation) -> None:
    """Somebody who has been in the organisation for long."""
    person = _person(email)
    with acting(None, "demo.made"):
        user = User.objects.create_user(email, PASSWORD, name=person.name, language=person.language)
        OrganisationMember.objects.create(organisation=organisation, user=user)
    world.people[email] = user


def _choose_language(user: User, language: str) -> None:
    with acting(user, "preferences.changed"):
        User.objects.filter(pk=user.pk).update(language=language)
    user.refresh_from_db()


def _give(world: World, account: BillingAccount, email: str, role: Role) -> None:
    owner = AccountRole.objects.select_related("user").get(account=account, role=Role.ACCOUNT_OWNER).user
    assign_account_role(account, user=world.people[email], role=role, by=owner)


def _card(world: World, profile: BillingProfile, number: str, expires: Month, email: str) -> None:
    """Somebody enters a card on the gateway's own page, and the profile pays with it from then on."""
    user = world.people[email]
    setup, address = start_card_setup(profile.account, profile=profile, default_for=[profile], by=user)
    sandbox.enter_card(
        address.rstrip("/").rpartition("/")[2],
        number=number,
        expiry_year=expires.year,
        expiry_month=expires.number,
        holder=user.name,
    )
    finish_card_setup(setup)
    setup.refresh_from_db()
    if setup.method is None:
        raise RuntimeError(f"the card of {profile} was not taken: {setup.status}")
    world.cards[profile.pk] = setup.method


def _direct_debit(world: World) -> None:
    """A mandate beside the card, and an invoice that is announced to be collected by it."""
    profile, user = world.profiles["Operations NL"], world.people["sanne@alfa.example"]
    setup, address = start_card_setup(profile.account, profile=profile, family=Family.DIRECT_DEBIT, by=user)
    session = address.rstrip("/").rpartition("/")[2]
    sandbox.enter_account(session, number=SPECIMENS["account"].number, holder=profile.account.name)
    method, invoice = finish_card_setup(setup).method, Invoice.objects.filter(profile=profile).open().last()
    if method is None or invoice is None:
        raise RuntimeError("nothing to collect, or nothing to collect it with")
    announce_debit(invoice, method, at=timezone.now())


def _backup(world: World, profile: BillingProfile, email: str) -> None:
    """A second card, for when the first is refused; the first stays the default."""
    user, first = world.people[email], world.cards[profile.pk]
    _card(world, profile, OTHER, Month.of(world.today).plus(14), email)
    second, world.cards[profile.pk] = world.cards[profile.pk], first
    today = timezone.localdate()
    set_default_method(first, profiles=[profile], by=user, on=today)
    set_backup_method(profile, second, by=user, on=today)


def _transfer(world: World) -> None:
    """Sanne asks to pay the warehouse system by bank transfer, and finance has begun to look at it."""
    profile, sanne = world.profiles["Operations NL"], world.people["sanne@alfa.example"]
    today = timezone.localdate()
    if not all(rule.is_met for rule in transfer_rules(profile.account, profile, on=today)):
        return
    sold_to = profile.account.sold_to
    values = {
        "legal_name": sold_to.company_name,
        "registration_number": profile.account.registration_number,
        "contact_name": sanne.name,
        "contact_email": sanne.email,
        "contact_phone": sold_to.phone,
        "monthly_minor": 250_000,
        "term_wanted_days": 30,
        "explanation": "We pay all suppliers in one batch a week.",
    }
    request = request_transfer(profile.account, profile=profile, values=values, by=sanne, on=today)
    take_up(request, by=world.people["finance@vendor.example"])


def _buy(
    world: World,
    account: BillingAccount,
    code: str,
    quantity: int,
    email: str,
    profile: BillingProfile | None = None,
) -> BillingProfile:
    purchase = purchase_product(
        account,
        price=Price.objects.get(product__code=code, term=Term.MONTHLY, currency=account.currency),
        quantity=quantity,
        profile=profile,
        by=world.people[email],
        on=timezone.localdate(),
        request_key=f"demo-{account.pk}-{profile.pk if profile else 0}-{code}"[:32],
    )
    return purchase.profile


def _meter(account: BillingAccount, profile: BillingProfile) -> None:
    """A subscription whose charges come from outside, known there by other names."""
    with acting(None, "demo.made"):
        BillingAccount.objects.filter(pk=account.pk).update(external_id="alfa-logistiek")
        Subscription.objects.create(
            account=account,
            profile=profile,
            external_id="alfa-production",
            name=PRODUCTION,
            currency=account.currency,
            started_on=timezone.localdate(),
        )


def _waiting(world: World) -> None:
    """What somebody planned and asked for lately, and what the organisation says of itself."""
    marieke = world.people["marieke@alfa.example"]
    alfa = BillingAccount.objects.select_related("sold_to").get(name=ALFA)
    moves_on = Month.of(world.today).plus(2).first
    address = alfa.sold_to.snapshot() | {"line1": "Coolsingel 40", "postal_code": "3011 AD"}
    plan_account_addresses(
        alfa,
        sold_to={name: value for name, value in address.items() if name != "country"},
        sold_to_version=alfa.sold_to.version,
        takes_effect_on=moves_on,
        today=world.today,
        by=marieke,
    )
    projects = BillingAccount.objects.get(name="Beta Bouw Projecten B.V.")
    document = CheckedFile("uittreksel.pdf", "application/pdf", EXTRACT)
    request_name_change(
        projects,
        new_name="Beta Projecten B.V.",
        note="Per 1 januari, zie het uittreksel.",
        document=document,
        by=world.people["inge@beta.example"],
    )
    update_organisation(
        projects.organisation,
        {
            "name": BETA,
            "phone": "+31 314 66 12 34",
            "preferred_language": "nl",
            "technical_contact_name": "Bas de Groot",
            "technical_contact_email": "bas@beta.example",
            "technical_contact_phone": "",
        },
        address={"line1": "Energieweg 8", "line2": "", "postal_code": "7041 AC", "city": "'s-Heerenberg"},
        version=projects.organisation.version,
        by=world.people["eva@beta.example"],
    )


def _credits_and_corrections(world: World) -> None:
    """A credit that expires soon and one that lasts; an invoice whose PO number was corrected; and a line that
    somebody does not agree with."""
    finance, noor = world.people["finance@vendor.example"], world.people["noor@alfa.example"]
    profile = world.profiles["IT & Data"]
    for source, minor, days, words in (
        ("compensation", 25_000, 12, "Apology for the outage"),
        ("promotion", 50_000, 300, "Partner programme"),
    ):
        give_credit(
            profile,
            source=source,
            amount=Money(minor, profile.currency),
            starts_on=world.today,
            expires_on=world.today + timedelta(days=days),
            description=words,
            reason="Agreed with the account manager",
            by=finance,
            on=world.today,
        )
    paid = Invoice.objects.filter(profile=profile, status="paid", kind="invoice").order_by("pk").last()
    if paid is not None:
        asked = request_correction(
            paid,
            reason="po_number",
            proposed={"po_number": "PO-2026-IT-7"},
            explanation="Our purchasing department needs its own number on it.",
            by=noor,
        )
        approve_correction(asked, answer="Done, and noted for coming invoices.", by=finance, on=world.today)
    due = Invoice.objects.open().filter(profile=profile).order_by("pk").last()
    if due is not None:
        line = due.lines.filter(net_minor__gt=0).order_by("position").first()
        dispute_invoice(due, line=line, text="We gave this back in the month before.", by=noor)


def _staff(world: World) -> None:
    """What the vendor's staff keep an eye on: a profile that they hold, one that was parked, and a look ahead."""
    staff = world.people["finance@vendor.example"]
    note = "Tariff of the data platform is being renegotiated; release when the amendment is signed."
    hold_profile(world.profiles["IT & Data"], note=note, by=staff)
    parked = BillingProfile.objects.filter(account__name="Beta Bouw Projecten B.V.").order_by("pk").first()
    if parked:
        park_profiles(world.last_month.next, [Problem(parked.pk, ParkReason.SUMS_DIFFER, "")])
    look_beforehand(start_preflight(world.last_month, by=staff))


def _bill(world: World, month: Month) -> None:
    """One month: usage comes in, invoices go out, and most of them are paid."""
    day = month.next.first + timedelta(days=INVOICE_DAY - 1)
    with clock_at(day, hour=6):
        _import_usage(world, month)
        run_billing(month, on=day)
        _work()
    paid_on = day + timedelta(days=PAYING_DAY - INVOICE_DAY)
    if paid_on > world.today:
        return
    with clock_at(paid_on):
        for invoice in Invoice.objects.open().filter(issue_date=day).select_related("profile").order_by("pk"):
            _pay(world, invoice, month)
        _work()


def _statement(world: World) -> None:
    """The bookkeeping of Alfa asked how the last quarter went."""
    profile = world.profiles["Operations NL"]
    ask_for_statement(
        profile.account,
        profile=profile,
        starts_on=world.last_month.plus(-2).first,
        ends_on=min(world.last_month.next.last, world.today),
        by=world.people["marieke@alfa.example"],
    )


def _mail_and_take_out(world: World) -> None:
    """A mailbox that is gone, somebody who marked an invoice as spam, and everything of Alfa ready to be downloaded."""
    for profile, email, words in (
        ("Operations NL", "facturen@boekhouder.example", "5.1.1 no such mailbox here"),
        ("Warehouse Rotterdam", "daan@alfa.example", ""),
    ):
        rows = Delivery.objects.filter(invoice__profile__name=profile, email=email, message__status="accepted")
        sent = rows.select_related("message").order_by("pk").last()
        if sent is not None and words:
            note_bounce(Bounce(sent.message.message_id, words, 550))
        elif sent is not None:
            note_complaint(sent.message)
    ask_for_take_out(world.profiles["Operations NL"].account, by=world.people["marieke@alfa.example"])


def _collect(world: World) -> None:
    """What was not paid is charged again or asked for, on the days that have come. The warehouse pays by itself."""
    for name, email in (("Warehouse Rotterdam", "daan@alfa.example"),):
        profile = BillingProfile.objects.get(name=name)
        set_automatic_payment(profile, is_on=False, by=world.people[email])
    dues = set(Invoice.objects.open().values_list("due_date", flat=True))
    days = {due + timedelta(days=step) for due in dues for step in (-7, 0, 1, 3, 7, 14)}
    for day in sorted(day for day in days if day < world.today):
        with clock_at(day):
            open_cases(at=timezone.now())
            _work()


def _work() -> None:
    """Run what is due, but for the sandbox's notices: the web server that takes them is not there yet, and the
    worker delivers each once when it is."""
    run_due(only=[name for name, each in registry().items() if each.run is not deliver_webhook])


def _import_usage(world: World, month: Month) -> None:
    age = (month.year - world.first_month.year) * 12 + month.number - world.first_month.number
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"usage-{month}.csv"
        file.write_text(usage_file("alfa-logistiek", ALFA, "alfa-production", month, age, Decimal(1)))
        import_charges(file)


def _pay(world: World, invoice: Invoice, month: Month) -> None:
    """Everybody pays, but Alfa's latest month waits, and Beta's comes by its bank; the warehouse forgot the one
    before, and the new card of IT & Data was declined for it."""
    name, payers = invoice.profile.name, {"Operations NL": "tom", "Warehouse Rotterdam": "daan", "IT & Data": "noor"}
    email = f"{payers[name]}@alfa.example" if name in payers else "inge@beta.example"
    is_latest, is_before = month == world.last_month, month == world.last_month.previous
    if invoice.account_name == LATE_PAYER and month >= world.last_month.plus(-4):
        return
    if is_latest and invoice.account_name == BETA:
        return
    if name in payers and (is_latest or (is_before and name == "Warehouse Rotterdam")):
        return
    if is_before and name == "IT & Data":
        _card(world, invoice.profile, DECLINING, Month.of(world.today).plus(20), email)
    card = world.cards[invoice.profile_id]
    pay_invoices([invoice], method=card, by=world.people[email], request_key=f"demo-{invoice.number}")
