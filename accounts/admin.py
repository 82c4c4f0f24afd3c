"""The vendor's staff: the seller, and customers with their people, accounts and invitations.

Staff look and invite; what belongs to a customer is changed by the customer. Nothing here goes around a
service, and no kept row is deleted (I36). There is one way to sign in, also for staff (T20).
"""

from functools import wraps
from typing import Any

import allauth.account.admin
import allauth.mfa.admin  # noqa: F401 registers what is taken back below
import django.contrib.auth.admin  # noqa: F401 as well
from allauth.account.decorators import secure_admin_login
from allauth.account.models import EmailAddress
from allauth.account.views import logout as sign_out
from allauth.mfa.models import Authenticator
from django import forms
from django.apps import apps
from django.contrib import admin, messages
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import Model, QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts import services
from accounts.account_views import document_response
from accounts.forms import CountryForm, CustomerForm, DecisionForm, SellerForm
from accounts.models import (
    AccountRole,
    BillingAccount,
    Invitation,
    NameChange,
    Organisation,
    OrganisationMember,
    OrganisationRole,
    Seller,
    User,
    VatCheck,
)
from accounts.notice_admin import ServiceNoticeAdmin  # noqa: F401 a page of its own
from accounts.services.invitations import is_customer_staff
from accounts.services.passwords import vouch_for
from accounts.services.sessions import remove_factors
from accounts.states import NameChangeStatus
from accounts.validators import registration_label
from core.admin import ReadOnly, ReadOnlyInline
from core.errors import Refused
from core.forms import posted
from core.history import acting
from core.policy import read_roles, walled
from core.staff import Presented, render_page, yes_or_no

admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
admin.site.logout = sign_out  # type: ignore[method-assign]
# allauth keeps a list of further addresses that this portal does not use.
admin.site.unregister(EmailAddress)
# Its page picks permissions in a way that screen readers cannot follow, and names them in English.
admin.site.unregister(Group)
# Second factors are removed by a service, which tells the person.
admin.site.unregister(Authenticator)
# All that is left of that app here.
apps.get_app_config("auth").verbose_name = gettext_lazy("Groups of staff")
admin.site.site_header = gettext_lazy("Vendor administration")
admin.site.site_title = gettext_lazy("Vendor administration")
admin.site.index_title = gettext_lazy("Customers and documents")


_admin_view = admin.site.admin_view


def _walled_view(view: Any, cacheable: bool = False) -> Any:
    """Staff need a second factor for every page of theirs, as everybody does who is privileged (T12, T20)."""
    shown = _admin_view(view, cacheable)

    @wraps(shown)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if request.user.is_authenticated:
            answer = walled(request, read_roles(request.user))
            if answer is not None:
                return answer
        return shown(request, *args, **kwargs)

    return guarded


admin.site.admin_view = _walled_view  # type: ignore[method-assign]


def change_password(request: HttpRequest, extra_context: Any = None) -> HttpResponse:
    """One page changes passwords, also those of staff: it counts guesses and tells the person (T20)."""
    return redirect("account_change_password")


admin.site.password_change = change_password  # type: ignore[method-assign, assignment]


class MemberInline(ReadOnlyInline):
    model = OrganisationMember
    fields = ("user", "joined_at")


class OrganisationRoleInline(ReadOnlyInline):
    model = OrganisationRole
    fk_name = "organisation"
    fields = ("user", "role", "assigned_by", "assigned_at", "expires_on")


class AccountInline(ReadOnlyInline):
    model = BillingAccount
    fields = ("name", "agreement", "status", "country", "currency")
    show_change_link = True


class AccountRoleInline(ReadOnlyInline):
    model = AccountRole
    fk_name = "account"
    fields = ("user", "role", "assigned_by", "assigned_at", "expires_on")


class InvitationInline(ReadOnlyInline):
    model = Invitation
    fields = ("email", "role", "status", "invited_by", "invited_at", "expires_at")
    show_change_link = True


class RolesOfPersonInline(ReadOnlyInline):
    model = AccountRole
    fk_name = "user"
    fields = ("account", "role", "assigned_by", "assigned_at", "expires_on")


@admin.register(User)
class UserAdmin(ReadOnly, admin.ModelAdmin):
    """People. Only who may do everything decides who else is staff."""

    list_display = ("name", "email", "is_active", "is_staff", "last_login")
    list_filter = ("is_staff", "is_active")
    search_fields = ("email__istartswith", "name__istartswith")
    ordering = ("name", "pk")
    inlines = (RolesOfPersonInline,)
    formfield_overrides = {models.ManyToManyField: {"widget": forms.CheckboxSelectMultiple}}
    readonly_fields = (
        "name",
        "email",
        "language",
        "contact_email",
        "alternate_email",
        "phone",
        "is_active",
        "date_joined",
        "last_login",
    )
    fields = (*readonly_fields, "is_staff", "is_superuser", "groups")

    actions = ("send_password_link", "remove_factors")

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    @admin.action(
        description=gettext_lazy("Send a link for a new password (after checking who it is)"), permissions=["change"]
    )
    def send_password_link(self, request: HttpRequest, rows: QuerySet[User]) -> None:
        """The last way out for somebody who lost everything; the person is told at every address (P18)."""
        for person in rows[:10]:
            try:
                vouch_for(person, by=request.user)  # type: ignore[arg-type]
            except (Refused, PermissionDenied) as refusal:
                messages.error(request, f"{person}: {refusal}")
            else:
                messages.success(request, _("%(person)s gets a link by e-mail.") % {"person": person})

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        with acting(request.user, "person.staff_changed"):
            super().save_model(request, obj, form, change)

    @admin.action(
        description=gettext_lazy("Remove the second factors (after checking who it is)"), permissions=["change"]
    )
    def remove_factors(self, request: HttpRequest, rows: QuerySet[User]) -> None:
        """For somebody who lost app, passkey and recovery codes; every session ends, and the person is told."""
        for person in rows[:10]:
            try:
                remove_factors(person, by=request.user)  # type: ignore[arg-type]
            except (Refused, PermissionDenied) as refusal:
                messages.error(request, f"{person}: {refusal}")
            else:
                messages.success(request, _("%(person)s adds a new one at the next sign-in.") % {"person": person})


class PermissionsField(forms.ModelMultipleChoiceField):
    """What a group may do, by the name of the list and in the reader's language."""

    VERBS = {
        "view": gettext_lazy("look at"),
        "add": gettext_lazy("add"),
        "change": gettext_lazy("change"),
        "delete": gettext_lazy("delete"),
    }

    def label_from_instance(self, obj: Any) -> str:
        verb, _underscore, _model = obj.codename.partition("_")
        return f"{capfirst(_rows_of(obj.content_type))}: {self.VERBS.get(verb, obj.name)}"


def _rows_of(of: ContentType) -> str:
    """What the rows of that type are called."""
    model = of.model_class()
    return str(model._meta.verbose_name_plural) if model else of.model


@admin.register(Group)
class GroupAdmin(Presented, admin.ModelAdmin):
    """Groups of staff, and what each may do."""

    besides = ("view_posting", "add_correction", "change_dispute")
    search_fields = ("name__istartswith",)
    ordering = ("name",)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Of what has a list here, and what pages ask for besides; no page asks for the rest."""
        shown = ContentType.objects.get_for_models(*self.admin_site._registry).values()
        asked = models.Q(content_type__in=shown) | models.Q(codename__in=self.besides)
        rows = Permission.objects.filter(asked).select_related("content_type")
        return PermissionsField(
            rows.order_by("content_type__app_label", "content_type__model", "codename"),
            label=_("Permissions"),
            required=False,
            widget=forms.CheckboxSelectMultiple,
        )


@admin.register(Organisation)
class OrganisationAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("name", "preferred_language", "created_at")
    search_fields = ("name__istartswith",)
    inlines = (AccountInline, OrganisationRoleInline, MemberInline)


@admin.register(BillingAccount)
class BillingAccountAdmin(ReadOnly, admin.ModelAdmin):
    """Accounts. "Add" makes a customer: organisation, account and the invitation of its first owner."""

    list_display = ("name", "organisation", "agreement", "status", "country", "currency", "has_owner")
    list_filter = ("agreement", "status")
    list_select_related = ("organisation",)
    search_fields = ("name__istartswith", "organisation__name__istartswith", "code", "external_id")
    inlines = (AccountRoleInline, InvitationInline)
    change_form_template = "accounts/admin/account.html"

    @admin.display(description=gettext_lazy("owner"))
    def has_owner(self, account: BillingAccount) -> str:
        return yes_or_no(any(held.role in services.OWNER_ROLES for held in account.roles.all()))

    def get_queryset(self, request: HttpRequest) -> QuerySet[BillingAccount]:
        return super().get_queryset(request).prefetch_related("roles")

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return is_customer_staff(request.user)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Make a customer. The country is chosen first, since it decides what an address looks like."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = CustomerForm(posted(request), country=CustomerForm.country_of(request.GET))
        if form.is_valid():
            try:
                account = services.create_customer(**form.values(), by=request.user)  # type: ignore[arg-type]
            except Refused as refusal:
                form.add_error(None, refusal)
            else:
                said = _("%(account)s is there, and %(email)s is invited.")
                messages.success(request, said % {"account": account, "email": form.cleaned_data["owner_email"]})
                return redirect("admin:accounts_billingaccount_change", account.pk)
        return render_page(
            self,
            request,
            "accounts/admin/customer.html",
            title=_("New customer"),
            form=form,
            country_form=CountryForm(initial={"country": form.country}),
            has_view_permission=True,
        )


@admin.register(Invitation)
class InvitationAdmin(ReadOnly, admin.ModelAdmin):
    """Invitations: sent again or taken back by the services, from the list."""

    list_display = ("email", "account", "role", "status", "invited_by", "invited_at", "expires_at")
    list_filter = ("status",)
    list_select_related = ("account", "invited_by")
    search_fields = ("email__istartswith", "account__name__istartswith")
    exclude = ("token_digest",)
    actions = ("send_again", "revoke")
    ordering = ("-invited_at",)

    def has_invite_permission(self, request: HttpRequest) -> bool:
        return is_customer_staff(request.user)

    @admin.action(description=gettext_lazy("Send the selected invitations again"), permissions=["invite"])
    def send_again(self, request: HttpRequest, rows: QuerySet[Invitation]) -> None:
        self._each(request, rows, services.renew_invitation)

    @admin.action(description=gettext_lazy("Revoke the selected invitations"), permissions=["invite"])
    def revoke(self, request: HttpRequest, rows: QuerySet[Invitation]) -> None:
        self._each(request, rows, services.revoke_invitation)

    def _each(self, request: HttpRequest, rows: QuerySet[Invitation], verb: Any) -> None:
        done = 0
        for invitation in rows.select_related("account"):
            try:
                verb(invitation, by=request.user)
            except Refused as refusal:
                messages.error(request, f"{invitation.email}: {refusal}")
            else:
                done += 1
        if done:
            said = ngettext("%(done)d invitation done.", "%(done)d invitations done.", done)
            messages.success(request, said % {"done": done})


@admin.register(VatCheck)
class VatCheckAdmin(ReadOnly, admin.ModelAdmin):
    """What the register says of VAT IDs, and why it said nothing."""

    list_display = ("account", "number", "status", "verified_at", "next_check_at", "failures", "trouble")
    list_filter = ("status",)
    list_select_related = ("account",)
    search_fields = ("number__startswith", "account__name__istartswith")
    ordering = ("next_check_at", "pk")


@admin.register(NameChange)
class NameChangeAdmin(ReadOnly, admin.ModelAdmin):
    """Requests for another legal name: looked at with their document, and decided on their page."""

    list_display = ("new_name", "old_name", "account", "status", "requested_by", "requested_at", "decided_by")
    list_filter = ("status",)
    list_select_related = ("account", "requested_by", "decided_by")
    search_fields = ("account__name__istartswith", "new_name__istartswith")
    ordering = ("-pk",)

    def get_urls(self) -> list[Any]:
        document = self.admin_site.admin_view(self.document_view)
        return [path("<int:pk>/document/", document, name="accounts_namechange_document"), *super().get_urls()]

    def document_view(self, request: HttpRequest, pk: int) -> FileResponse:
        """The document, for staff who may see requests."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return document_response(get_object_or_404(NameChange, pk=pk))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The request with its document, and the decision of whoever may make customers."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if not object_id.isdecimal():
            raise Http404
        change = get_object_or_404(NameChange.objects.select_related("account", "requested_by"), pk=int(object_id))
        may_decide = is_customer_staff(request.user) and change.status == NameChangeStatus.REQUESTED
        form = DecisionForm(posted(request))
        if may_decide and form.is_valid():
            try:
                decide = {"approve": services.approve_name_change, "refuse": services.refuse_name_change}
                decide[form.cleaned_data["decision"]](change, note=form.cleaned_data["note"], by=request.user)
            except Refused as refusal:
                form.add_error(None, refusal)
            else:
                messages.success(request, _("Decided. The owners get a mail."))
                return redirect("admin:accounts_namechange_changelist")
        return render_page(
            self,
            request,
            "accounts/admin/name_change.html",
            title=str(change),
            row=change,
            change=change,
            form=form,
            may_decide=may_decide,
            registration_label=registration_label(change.account.country.code),
            has_view_permission=True,
        )


@admin.register(Seller)
class SellerAdmin(Presented, admin.ModelAdmin):
    """The vendor as its invoices name it: one row. What is still missing is said on top."""

    form = SellerForm
    change_form_template = "accounts/admin/seller.html"
    readonly_fields = ("logo_now",)
    fieldsets = (
        (None, {"fields": ("legal_name", "vat_id", "registration_number")}),
        (gettext_lazy("Address"), {"fields": ("line1", "line2", "postal_code", "city", "country", "email", "phone")}),
        (gettext_lazy("Bank"), {"fields": ("iban", "bic")}),
        (gettext_lazy("House style"), {"fields": ("logo", "logo_now", "accent")}),
        (
            gettext_lazy("Documents"),
            {
                "fields": (
                    "number_prefix",
                    "payment_term_days",
                    "time_zone",
                    "one_stop_shop_from",
                )
            },
        ),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and not Seller.objects.exists()

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """There is one row: the list leads to it, or to the empty form."""
        seller = Seller.objects.first()
        if seller is not None:
            return HttpResponseRedirect(reverse("admin:accounts_seller_change", args=[seller.pk]))
        return HttpResponseRedirect(reverse("admin:accounts_seller_add"))

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> Any:
        seller = kwargs.get("obj") or Seller()
        context["missing"] = [Seller._meta.get_field(name).verbose_name for name in seller.missing()]  # type: ignore[union-attr]
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: forms.ModelForm, change: bool) -> None:
        with acting(request.user, "seller.changed"):
            super().save_model(request, obj, form, change)

    @admin.display(description=gettext_lazy("logo in use"))
    def logo_now(self, seller: Seller) -> str:
        """The picture itself: files of the portal are not served from an address of their own."""
        picture = seller.logo_data()
        return format_html('<img src="{}" alt="" height="48">', picture) if picture else "—"
