"""People, and the customer they act for."""

import base64
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, PermissionsMixin
from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Lower
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_countries.fields import CountryField

from accounts import states
from accounts.guards import last_owner_stays
from accounts.querysets import (
    AttemptQuerySet,
    BillingAccountQuerySet,
    InvitationQuerySet,
    PlannedChangeQuerySet,
    RoleQuerySet,
    UserManager,
    VatCheckQuerySet,
)
from accounts.validators import validate_logo
from core.codes import CodeField
from core.history import tracked
from core.mail_classes import MailClass
from core.policy import ACCOUNT_ROLES, Action, PolicyQuerySet, Role, Scope
from core.states import only_along


class ColorMode(models.TextChoices):
    AUTO = "auto", _("Follow the system")
    LIGHT = "light", _("Light")
    DARK = "dark", _("Dark")


@tracked(exclude=("password", "last_login"))
class User(AbstractBaseUser, PermissionsMixin):
    """A person. The sign-in address is `email`; billing mail goes to the verified contact address
    where there is one (S0-3)."""

    email = models.EmailField(_("e-mail address"), max_length=254, unique=True)
    name = models.CharField(_("name"), max_length=150)
    language = models.CharField(_("language"), max_length=2, choices=settings.LANGUAGES, default="en")
    color_mode = models.CharField(_("colour mode"), max_length=5, choices=ColorMode, default=ColorMode.AUTO)
    contact_email = models.EmailField(_("contact e-mail"), max_length=254, blank=True)
    contact_email_verified_at = models.DateTimeField(null=True, blank=True)
    contact_email_confirmed_at = models.DateTimeField(null=True, blank=True)
    # Recovery data: what stands here is proved; what waits for its code is a Proof (S1-7, S1-8).
    alternate_email = models.EmailField(_("alternate e-mail"), max_length=254, blank=True)
    alternate_email_verified_at = models.DateTimeField(null=True, blank=True)
    phone = models.CharField(_("mobile phone"), max_length=20, blank=True)
    phone_verified_at = models.DateTimeField(null=True, blank=True)
    is_active = models.BooleanField(_("active"), default=True)
    is_staff = models.BooleanField(_("vendor's staff"), default=False)
    date_joined = models.DateTimeField(default=timezone.now, editable=False)

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["name"]

    objects = UserManager()

    class Meta:
        verbose_name = _("person")
        verbose_name_plural = _("people")
        constraints = [
            models.UniqueConstraint(
                Lower("email"),
                name="one_person_per_address",
                violation_error_message=_("Somebody with this e-mail address exists already."),
            )
        ]

    def __str__(self) -> str:
        return self.name or self.email

    def get_short_name(self) -> str:
        """How Django's admin greets the person."""
        return self.name

    @property
    def billing_email(self) -> str:
        """Where billing mail goes: the verified contact address, else the sign-in address (§3.9)."""
        return self.contact_email if self.contact_email and self.contact_email_verified_at else self.email

    @property
    def initials(self) -> str:
        words = (self.name or self.email).split()
        return "".join(word[0] for word in (words[0], words[-1]) if word)[: len(words)].upper()


class ProofKind(models.TextChoices):
    """Which of a person's addresses is to be proved."""

    CONTACT_EMAIL = "contact_email", _("Contact e-mail")
    ALTERNATE_EMAIL = "alternate_email", _("Alternate e-mail")
    PHONE = "phone", _("Mobile phone")


class Proof(models.Model):
    """An address or number that a person says is theirs, waiting for the code that was sent there (S1-7).

    Neither code nor link is kept: only digests. It works once, for that person and that value, for ten
    minutes and five tries; until then the old value stays in force. One waits per person and kind.
    """

    user = models.ForeignKey(User, models.CASCADE, related_name="proofs")
    kind = models.CharField(max_length=16, choices=ProofKind)
    value = models.CharField(max_length=254)
    code_digest = models.CharField(max_length=64)
    # Of the link in the mail, where there is one: the contact address is proved by either.
    token_digest = models.CharField(max_length=64, unique=True, null=True, blank=True)
    tries = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("proof of an address")
        verbose_name_plural = _("proofs of addresses")
        constraints = [
            models.UniqueConstraint(fields=["user", "kind"], condition=Q(used_at=None), name="one_waiting_proof"),
            models.CheckConstraint(condition=Q(tries__lte=5), name="proof_five_tries"),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.get_kind_display()}"


class Topic(models.TextChoices):
    """What a person may take or leave among the mails (S0-11c). The marketing ones are off until asked for."""

    RECEIPTS = "receipts", _("Receipts of payments")
    CREDITS = "credits", _("Credits that are about to expire")
    RECOMMENDATIONS = "recommendations", _("Recommendations on how to use and pay for less")
    NEWS = "news", _("News about products")
    EVENTS = "events", _("Events and training")
    OFFERS = "offers", _("Offers")


MARKETING_TOPICS = (Topic.NEWS, Topic.EVENTS, Topic.OFFERS)


@tracked()
class TopicChoice(models.Model):
    """What a person said about a topic; nobody said anything where there is no row."""

    user = models.ForeignKey(User, models.CASCADE, related_name="topic_choices")
    topic = models.CharField(_("topic"), max_length=16, choices=Topic)
    is_wanted = models.BooleanField(_("wanted"))

    class Meta:
        verbose_name = _("choice of a topic")
        verbose_name_plural = _("choices of topics")
        constraints = [models.UniqueConstraint(fields=["user", "topic"], name="one_choice_per_topic")]

    def __str__(self) -> str:
        return f"{self.user} · {self.get_topic_display()}"


class LinkKind(models.TextChoices):
    """What somebody who is not signed in may ask a link for."""

    PASSWORD = "password", _("New password")
    TOPICS = "topics", _("Communication preferences")


class LinkRequest(models.Model):
    """Somebody typed an address and wants a link by mail. Whose it is, a job finds out: the request itself does the
    same work for everybody, so neither its answer nor its time tells who is known here (T14, M6)."""

    code = CodeField()
    kind = models.CharField(max_length=10, choices=LinkKind)
    email = models.EmailField(max_length=254)
    language = models.CharField(max_length=2, choices=settings.LANGUAGES)
    asked_at = models.DateTimeField(default=timezone.now, editable=False)
    # Of codes for a new password; counted for everybody alike.
    tries = models.PositiveSmallIntegerField(default=0)
    answered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("request for a link")
        verbose_name_plural = _("requests for links")
        indexes = [models.Index("id", name="link_request_waiting", condition=Q(answered_at=None))]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} · {self.asked_at:%Y-%m-%d %H:%M}"


class ResetWay(models.TextChoices):
    """By which proofs a lost password may be replaced (§3.9)."""

    LINK = "link", _("The link to the sign-in address")
    CODES = "codes", _("Codes to the alternate e-mail and to the phone")
    FACTOR = "factor", _("The link to the sign-in address and a second factor")
    HELP = "help", _("Another administrator")


class PasswordReset(models.Model):
    """A request for a new password that turned out to be somebody's, and the proofs it takes (T15).

    Two codes belong to one row: each is good for nothing elsewhere or alone. Only digests are kept.
    """

    request = models.OneToOneField(LinkRequest, models.CASCADE, related_name="reset")
    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    way = models.CharField(max_length=8, choices=ResetWay)
    mail_digest = models.CharField(max_length=64, blank=True)
    text_digest = models.CharField(max_length=64, blank=True)
    token_digest = models.CharField(max_length=64, unique=True, null=True)
    tries = models.PositiveSmallIntegerField(default=0)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("reset of a password")
        verbose_name_plural = _("resets of passwords")
        constraints = [models.CheckConstraint(condition=Q(tries__lte=5), name="reset_five_tries")]

    def __str__(self) -> str:
        return f"{self.user} · {self.get_way_display()}"


class Audience(models.TextChoices):
    """Who gets a service notice."""

    EVERYBODY = "everybody", _("Everybody who signs in")
    OWNERS = "owners", _("Owners and administrators of accounts")
    ORGANISATION = "organisation", _("Everybody of one organisation")


class ServiceNotice(models.Model):
    """A mail of the vendor's staff to many people, in both languages (S0-4). A job hands it out."""

    mail_class = models.CharField(
        _("class"),
        max_length=20,
        choices=[
            (each.value, each.label)
            for each in (MailClass.MANDATORY_SERVICE, MailClass.SERVICE, MailClass.RECOMMENDATION, MailClass.MARKETING)
        ],
        help_text=_("Security, price and breaking changes go to the sign-in address, whatever anybody declined."),
    )
    topic = models.CharField(
        _("topic"),
        max_length=16,
        blank=True,
        choices=[(each.value, each.label) for each in MARKETING_TOPICS],
        help_text=_("For marketing alone: it goes to those who asked for this topic."),
    )
    audience = models.CharField(_("audience"), max_length=16, choices=Audience, default=Audience.EVERYBODY)
    organisation = models.ForeignKey(
        "Organisation", models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("organisation")
    )
    subject_en = models.CharField(_("subject, English"), max_length=150)
    text_en = models.TextField(_("text, English"), max_length=5000)
    subject_nl = models.CharField(_("subject, Dutch"), max_length=150)
    text_nl = models.TextField(_("text, Dutch"), max_length=5000)
    status = models.CharField(max_length=10, choices=states.NoticeStatus, default=states.NoticeStatus.DRAFT)
    created_by = models.ForeignKey(User, models.PROTECT, related_name="+", editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    sent_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+", editable=False)
    sent_at = models.DateTimeField(_("sent"), null=True, editable=False)
    number_of_people = models.PositiveIntegerField(_("people"), null=True, editable=False)

    TRANSITIONS = states.NOTICE

    class Meta:
        verbose_name = _("service notice")
        verbose_name_plural = _("service notices")
        ordering = ["-pk"]
        triggers = [only_along(states.NOTICE, "notice_status_edges")]

    def __str__(self) -> str:
        return self.subject_en


@tracked()
class Organisation(models.Model):
    """A customer: a company whose people act in the portal."""

    code = CodeField()
    name = models.CharField(_("name"), max_length=200)
    preferred_language = models.CharField(
        _("preferred language"), max_length=2, choices=settings.LANGUAGES, default="en"
    )
    # The name by which a vendor that moved in knows it.
    external_id = models.CharField(max_length=100, null=True, blank=True, unique=True)
    # Where it is, apart from the addresses of its accounts: for people, and on no invoice (S1-2).
    address = models.OneToOneField(
        "Address", models.PROTECT, null=True, blank=True, related_name="address_of", verbose_name=_("address")
    )
    phone = models.CharField(_("phone"), max_length=32, blank=True)
    technical_contact_name = models.CharField(_("technical contact"), max_length=150, blank=True)
    technical_contact_email = models.EmailField(_("e-mail of the technical contact"), max_length=254, blank=True)
    technical_contact_phone = models.CharField(_("phone of the technical contact"), max_length=32, blank=True)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    POLICY = Scope(view=Action.ORGANISATION_VIEW, organisation="")

    objects = PolicyQuerySet.as_manager()

    class Meta:
        verbose_name = _("organisation")
        verbose_name_plural = _("organisations")
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name


@tracked()
class OrganisationMember(models.Model):
    """A person belongs to an organisation."""

    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="members")
    user = models.ForeignKey(User, models.PROTECT, related_name="memberships")
    joined_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organisation", "user"], name="member_once")]

    def __str__(self) -> str:
        return f"{self.user} · {self.organisation}"


@tracked()
class OrganisationRole(models.Model):
    """A role on an organisation: user administrator or organisation administrator."""

    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="roles")
    user = models.ForeignKey(User, models.PROTECT, related_name="organisation_roles")
    role = models.CharField(
        max_length=32,
        choices=[(role.value, role.label) for role in (Role.USER_ADMINISTRATOR, Role.ORGANISATION_ADMINISTRATOR)],
    )
    assigned_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    assigned_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_on = models.DateField(null=True, blank=True)

    objects = RoleQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organisation", "user", "role"], name="organisation_role_once")]

    def __str__(self) -> str:
        return f"{self.user} · {self.get_role_display()} · {self.organisation}"


@tracked()
class UserProfile(models.Model):
    """What an organisation keeps of a person besides the sign-in (S0-12). Name and language are the person's own.

    Two people who edit it find out: the second save carries an old version (S0-16).
    """

    user = models.OneToOneField(User, models.CASCADE, related_name="profile")
    job_title = models.CharField(_("job title"), max_length=100, blank=True)
    department = models.CharField(_("department"), max_length=100, blank=True)
    employee_id = models.CharField(_("employee ID"), max_length=40, blank=True)
    manager = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    office = models.CharField(_("office"), max_length=100, blank=True)
    business_phone = models.CharField(_("business phone"), max_length=20, blank=True)
    line1 = models.CharField(_("street and number"), max_length=200, blank=True)
    postal_code = models.CharField(_("postal code"), max_length=20, blank=True)
    city = models.CharField(_("city"), max_length=100, blank=True)
    region = models.CharField(_("region"), max_length=100, blank=True)
    country: Any = CountryField(_("country"), blank=True)
    picture = models.FileField(_("picture"), upload_to="people/", blank=True)
    version = models.PositiveIntegerField(default=1)

    class Meta:
        verbose_name = _("profile of a person")
        verbose_name_plural = _("profiles of people")

    def __str__(self) -> str:
        return f"{self.user} · {self.job_title or self.department}"

    def picture_data(self) -> str:
        """The picture as a `data:` address; empty where there is none. It is one that we wrote ourselves."""
        if not self.picture:
            return ""
        with self.picture.open("rb") as file:
            return f"data:image/webp;base64,{base64.b64encode(file.read()).decode()}"


class MemberInvitation(models.Model):
    """Somebody is asked by mail to become a person of an organisation: no role, one use, seven days (S0-17).

    Nobody is there before the answer, so an address that somebody signs in with already looks like any other.
    The token is in the mail only; here is its digest.
    """

    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="member_invitations")
    email = models.EmailField(max_length=254)
    name = models.CharField(_("name"), max_length=150)
    job_title = models.CharField(_("job title"), max_length=100, blank=True)
    department = models.CharField(_("department"), max_length=100, blank=True)
    language = models.CharField(_("language"), max_length=2, choices=settings.LANGUAGES)
    token_digest = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    invited_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    status = models.CharField(max_length=10, choices=states.InvitationStatus, default=states.InvitationStatus.PENDING)
    accepted_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")

    TRANSITIONS = states.INVITATION

    class Meta:
        verbose_name = _("invitation to an organisation")
        verbose_name_plural = _("invitations to organisations")
        constraints = [
            models.UniqueConstraint(
                Lower("email"), F("organisation"), condition=Q(status="pending"), name="one_open_member_invitation"
            )
        ]
        triggers = [only_along(states.INVITATION, "member_invitation_edges")]

    def __str__(self) -> str:
        return f"{self.email} · {self.organisation}"


class AddressKind(models.TextChoices):
    SOLD_TO = "sold_to", _("Sold-to address")
    BILL_TO = "bill_to", _("Bill-to address")
    SHIP_TO = "ship_to", _("Service usage address")
    ORGANISATION = "organisation", _("Address of the organisation")


@tracked()
class Address(models.Model):
    """A postal address with its contact (§3.2). The spelling is the user's; the country's rules only check it."""

    kind = models.CharField(max_length=12, choices=AddressKind)
    company_name = models.CharField(_("company name"), max_length=200, blank=True)
    contact_name = models.CharField(_("contact name"), max_length=150, blank=True)
    email = models.EmailField(_("e-mail"), max_length=254, blank=True)
    phone = models.CharField(_("phone"), max_length=32, blank=True)
    line1 = models.CharField(_("street and number"), max_length=200, blank=True)
    line2 = models.CharField(_("address line 2"), max_length=200, blank=True)
    line3 = models.CharField(_("address line 3"), max_length=200, blank=True)
    district = models.CharField(_("district"), max_length=100, blank=True)
    city = models.CharField(_("city"), max_length=100, blank=True)
    region = models.CharField(_("region"), max_length=100, blank=True)
    postal_code = models.CharField(_("postal code"), max_length=20, blank=True)
    country: Any = CountryField(_("country"))
    # An imported customer comes without an address; nothing is issued to it until somebody fills it in.
    is_complete = models.BooleanField(default=True)
    # Two people who edit the same address find out: the second save carries an old version.
    version = models.PositiveIntegerField(default=1)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("address")
        verbose_name_plural = _("addresses")

    def __str__(self) -> str:
        return ", ".join(filter(None, [self.company_name, self.line1, self.postal_code, self.city]))

    def snapshot(self) -> dict[str, str]:
        """Everything a document prints of it, as plain values."""
        names: tuple[str, ...] = ("company_name", "contact_name", "email", "phone", "line1", "line2", "line3")
        names += ("district", "city", "region", "postal_code")
        return {**{name: getattr(self, name) for name in names}, "country": self.country.code}


class Agreement(models.TextChoices):
    """The two kinds of account (architecture §3). Enrolments and partner agreements exist elsewhere."""

    CUSTOMER_AGREEMENT = "customer_agreement", _("Customer agreement")
    ONLINE_SERVICES = "online_services", _("Online services")


@tracked()
class BillingAccount(models.Model):
    """What the vendor does business with (§3.1). Country and currency are fixed when it is made."""

    code = CodeField()
    # BillingAccountId of a charge file, where the account came from one or is billed by one.
    external_id = models.CharField(max_length=100, null=True, blank=True, unique=True)
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="accounts")
    name = models.CharField(_("account name"), max_length=200)
    agreement = models.CharField(_("agreement"), max_length=20, choices=Agreement)
    status = models.CharField(max_length=16, choices=states.AccountStatus, default=states.AccountStatus.ACTIVE)
    country: Any = CountryField(_("country"))
    currency = models.CharField(_("currency"), max_length=3)
    sold_to = models.OneToOneField(Address, models.PROTECT, related_name="sold_to_of")
    bill_to = models.OneToOneField(Address, models.PROTECT, null=True, blank=True, related_name="bill_to_of")
    vat_id = models.CharField(_("VAT ID"), max_length=20, blank=True)
    registration_number = models.CharField(_("registration number"), max_length=40, blank=True)
    created_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    TRANSITIONS = states.ACCOUNT
    POLICY = Scope(view=Action.ACCOUNT_SEE, account="")

    objects = BillingAccountQuerySet.as_manager()

    class Meta:
        verbose_name = _("billing account")
        verbose_name_plural = _("billing accounts")
        ordering = ["name", "pk"]
        constraints = [
            # S0-2: an online-services account has exactly one bill-to; on a customer agreement it is the profile's.
            models.CheckConstraint(
                name="bill_to_on_online_services_only",
                condition=Q(agreement=Agreement.ONLINE_SERVICES, bill_to__isnull=False)
                | Q(agreement=Agreement.CUSTOMER_AGREEMENT, bill_to__isnull=True),
            )
        ]
        triggers = [only_along(states.ACCOUNT, "account_status_edges")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("account_overview", args=[self.code])

    @property
    def is_online_services(self) -> bool:
        return self.agreement == Agreement.ONLINE_SERVICES

    @property
    def is_open_to_organisation(self) -> bool:
        """Whether the organisation administrator may read it: customer agreements only (§2.2)."""
        return self.agreement == Agreement.CUSTOMER_AGREEMENT

    @property
    def initials(self) -> str:
        return "".join(word[0] for word in self.name.split()[:2]).upper()


@tracked()
class VatCheck(models.Model):
    """What the authorities said of an account's VAT ID. Its form and check digits fit, or there is no row.

    `verified_at` is the last time that they said yes of this number; a no or another number empties it.
    """

    account = models.OneToOneField(BillingAccount, models.PROTECT, related_name="vat_check")
    number = models.CharField(_("VAT ID"), max_length=20)
    status = models.CharField(max_length=12, choices=states.VatStatus, default=states.VatStatus.FORMAT_VALID)
    verified_at = models.DateTimeField(null=True, blank=True)
    asked_at = models.DateTimeField(null=True, blank=True)
    next_check_at = models.DateTimeField(default=timezone.now)
    # How many times in a row nobody answered.
    failures = models.PositiveIntegerField(default=0)
    # What they call the holder, and the number under which they keep the consultation: proof for the books.
    holder = models.CharField(max_length=300, blank=True)
    consultation = models.CharField(max_length=100, blank=True)
    trouble = models.CharField(max_length=200, blank=True)

    # A yes holds so long where nobody answers any more.
    TRUSTED = timedelta(days=90)
    TRANSITIONS = states.VAT_CHECK

    objects = VatCheckQuerySet.as_manager()

    class Meta:
        verbose_name = _("VAT check")
        verbose_name_plural = _("VAT checks")
        triggers = [only_along(states.VAT_CHECK, "vat_check_status_edges")]

    def __str__(self) -> str:
        return f"{self.number} · {self.get_status_display()}"

    @classmethod
    def holds(cls, verified_at: datetime | None, *, at: datetime) -> bool:
        """Whether a yes of that moment still counts at another one."""
        return verified_at is not None and verified_at > at - cls.TRUSTED

    def counts(self, at: datetime) -> bool:
        """Whether an invoice of that moment may rely on the number (article 196, 2006/112/EC)."""
        return self.holds(self.verified_at, at=at)


@tracked()
class PlannedChange(models.Model):
    """Addresses that change together from a day on (S0-8). Until then they can be withdrawn.

    The billing run reads these rows too: an invoice carries the address in force on its day of issue,
    whether the job that applies the change has run yet or not.
    """

    account = models.ForeignKey(BillingAccount, models.PROTECT, related_name="planned_changes")
    takes_effect_on = models.DateField(_("takes effect on"))
    status = models.CharField(max_length=10, choices=states.PlanStatus, default=states.PlanStatus.PLANNED)
    planned_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    planned_at = models.DateTimeField(default=timezone.now, editable=False)
    ended_at = models.DateTimeField(null=True, blank=True)

    TRANSITIONS = states.PLANNED_CHANGE

    objects = PlannedChangeQuerySet.as_manager()

    class Meta:
        verbose_name = _("planned change")
        verbose_name_plural = _("planned changes")
        triggers = [only_along(states.PLANNED_CHANGE, "planned_change_status_edges")]
        indexes = [
            # What the job looks for.
            models.Index("takes_effect_on", condition=Q(status="planned"), name="planned_change_due")
        ]

    def __str__(self) -> str:
        return f"{self.takes_effect_on} · {self.account}"


class PlannedAddress(models.Model):
    """One address in a planned change: the fields it will have, and those it had when they came into force."""

    change = models.ForeignKey(PlannedChange, models.PROTECT, related_name="parts")
    address = models.ForeignKey(Address, models.PROTECT, related_name="planned")
    values = models.JSONField()
    before = models.JSONField(default=dict)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["change", "address"], name="address_once_per_change")]

    def __str__(self) -> str:
        return f"{self.change} · {self.address}"

    @property
    def words(self) -> list[str]:
        """What the address will have, in the order of an address, without what becomes empty."""
        return [self.values[name] for name in Address(country="NL").snapshot() if self.values.get(name)]


@tracked()
class NameChange(models.Model):
    """A request to change the legal name of the sold-to, with a document that proves it (§3.1)."""

    code = CodeField()
    account = models.ForeignKey(BillingAccount, models.PROTECT, related_name="name_changes")
    old_name = models.CharField(_("legal name now"), max_length=200)
    new_name = models.CharField(_("new legal name"), max_length=200)
    note = models.TextField(_("note"), max_length=1000, blank=True)
    document = models.FileField(_("document"), upload_to="name-changes/")
    # What the person called the file, and what it is by its content.
    document_name = models.CharField(max_length=150)
    document_type = models.CharField(max_length=40)
    status = models.CharField(max_length=10, choices=states.NameChangeStatus, default=states.NameChangeStatus.REQUESTED)
    requested_by = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name=_("requested by"))
    requested_at = models.DateTimeField(_("requested at"), default=timezone.now, editable=False)
    decided_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    decision_note = models.TextField(_("reason"), max_length=1000, blank=True)

    TRANSITIONS = states.NAME_CHANGE
    POLICY = Scope(view=Action.ACCOUNT_REQUEST_LEGAL_NAME, account="account")

    objects = PolicyQuerySet.as_manager()

    class Meta:
        verbose_name = _("request for another legal name")
        verbose_name_plural = _("requests for another legal name")
        constraints = [
            models.UniqueConstraint(
                fields=["account"],
                condition=Q(status="requested"),
                name="one_open_name_change",
                violation_error_message=_("A request waits for review already."),
            )
        ]
        triggers = [only_along(states.NAME_CHANGE, "name_change_status_edges")]

    def __str__(self) -> str:
        return f"{self.old_name} → {self.new_name}"


class ScopeMemory(models.Model):
    """Where a person's work is: the account they chose as their default, and the one they opened last (S0-18)."""

    user = models.OneToOneField(User, models.CASCADE, related_name="scope_memory")
    default_account = models.ForeignKey(BillingAccount, models.SET_NULL, null=True, blank=True, related_name="+")
    last_account = models.ForeignKey(BillingAccount, models.SET_NULL, null=True, blank=True, related_name="+")

    def __str__(self) -> str:
        return f"{self.user}"


@tracked()
class AccountRole(models.Model):
    """A role on a billing account; it counts for every profile below."""

    account = models.ForeignKey(BillingAccount, models.PROTECT, related_name="roles")
    user = models.ForeignKey(User, models.PROTECT, related_name="account_roles")
    role = models.CharField(
        max_length=32,
        choices=[(role.value, role.label) for role in (*ACCOUNT_ROLES, Role.ACCOUNT_ADMINISTRATOR)],
    )
    assigned_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    assigned_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_on = models.DateField(null=True, blank=True)

    objects = RoleQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "user"], name="one_account_role_per_person"),
            models.UniqueConstraint(
                fields=["account"],
                condition=Q(role=Role.ACCOUNT_ADMINISTRATOR),
                name="one_account_administrator",
            ),
        ]
        triggers = [last_owner_stays()]

    def __str__(self) -> str:
        return f"{self.user} · {self.get_role_display()} · {self.account}"


class Invitation(models.Model):
    """An account role offered by mail to an address that is nobody yet: one use, seven days (T22).

    The token is in the mail only; here is its digest.
    """

    code = CodeField()
    account = models.ForeignKey(BillingAccount, models.PROTECT, related_name="invitations")
    email = models.EmailField(max_length=254)
    role = models.CharField(max_length=32, choices=Role.choices)
    language = models.CharField(_("language"), max_length=2, choices=settings.LANGUAGES, default="en")
    token_digest = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    invited_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    # The last day of the offered role, where it ends.
    role_expires_on = models.DateField(null=True, blank=True)
    status = models.CharField(max_length=10, choices=states.InvitationStatus, default=states.InvitationStatus.PENDING)
    accepted_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    accepted_at = models.DateTimeField(null=True, blank=True)

    TRANSITIONS = states.INVITATION

    objects = InvitationQuerySet.as_manager()

    class Meta:
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")
        constraints = [
            models.UniqueConstraint(
                Lower("email"), F("account"), condition=Q(status="pending"), name="one_open_invitation"
            )
        ]
        triggers = [only_along(states.INVITATION, "invitation_status_edges")]

    def __str__(self) -> str:
        return f"{self.email} · {self.get_role_display()} · {self.account}"


class Attempt(models.Model):
    """One counted try of something that is limited: a sign-in, a reset (Q12). Kept for an hour.

    `key` is a digest of what is limited and for whom; the row tells neither.
    """

    key = models.CharField(max_length=64)
    at = models.DateTimeField()

    objects = AttemptQuerySet.as_manager()

    class Meta:
        indexes = [
            # How many tries there were on one counter lately.
            models.Index("key", "at", name="attempt_lately"),
            # The old ones, every hour.
            models.Index("at", name="attempt_old"),
        ]

    def __str__(self) -> str:
        return f"{self.key[:8]} · {self.at:%H:%M:%S}"


@tracked()
class Seller(models.Model):
    """The vendor as its invoices name it. One row; copied onto each document when it is issued (I35)."""

    legal_name = models.CharField(_("legal name"), max_length=200, blank=True)
    line1 = models.CharField(_("street and number"), max_length=200, blank=True)
    line2 = models.CharField(_("address line 2"), max_length=200, blank=True)
    postal_code = models.CharField(_("postal code"), max_length=20, blank=True)
    city = models.CharField(_("city"), max_length=100, blank=True)
    country: Any = CountryField(_("country"), blank=True)
    vat_id = models.CharField(_("VAT ID"), max_length=20, blank=True)
    registration_number = models.CharField(_("chamber of commerce number"), max_length=40, blank=True)
    iban = models.CharField(_("IBAN"), max_length=34, blank=True)
    bic = models.CharField(_("BIC"), max_length=11, blank=True)
    email = models.EmailField(_("e-mail"), max_length=254, blank=True)
    phone = models.CharField(_("phone"), max_length=32, blank=True)
    logo = models.FileField(_("logo"), upload_to="seller/", blank=True, validators=[validate_logo])
    time_zone = models.CharField(_("time zone"), max_length=64, default="Europe/Amsterdam")
    number_prefix = models.CharField(_("invoice number prefix"), max_length=8, default="G")
    payment_term_days = models.PositiveSmallIntegerField(_("payment term in days"), default=30)
    updated_at = models.DateTimeField(auto_now=True)

    # What the law wants on an invoice (L1), in the order in which people fill it in.
    DEMANDED = (
        "legal_name",
        "line1",
        "postal_code",
        "city",
        "country",
        "vat_id",
        "registration_number",
        "iban",
        "email",
    )

    class Meta:
        verbose_name = _("seller")
        verbose_name_plural = _("seller")
        constraints = [models.UniqueConstraint(Value(1), name="one_seller")]

    def __str__(self) -> str:
        return self.legal_name or str(_("Seller"))

    def missing(self) -> list[str]:
        """The names of the fields without which nothing may be issued; empty when complete."""
        return [name for name in self.DEMANDED if not getattr(self, name)]

    def logo_data(self) -> str:
        """The logo as a `data:` address; empty where there is none."""
        if not self.logo:
            return ""
        with self.logo.open("rb") as file:
            return f"data:image/png;base64,{base64.b64encode(file.read()).decode()}"

    def snapshot(self) -> dict[str, str]:
        """Everything a document prints of the vendor, as plain values."""
        names: tuple[str, ...] = (
            "legal_name",
            "line1",
            "line2",
            "postal_code",
            "city",
            "vat_id",
            "registration_number",
        )
        names += ("iban", "bic", "email", "phone")
        return {
            **{name: getattr(self, name) for name in names},
            "country": self.country.code,
            "logo": self.logo.name or "",
        }
