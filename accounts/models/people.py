"""People: who signs in, and what is kept about them."""

import base64
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, PermissionsMixin
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_countries.fields import CountryField

from accounts.querysets import (
    UserManager,
)
from core.history import tracked


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
