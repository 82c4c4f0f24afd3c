"""More pages of access control on an account: invitations, stand-ins, several roles at once."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.models import AccountRole, BillingAccount
from accounts.role_pages import (
    RolesPlace,
    invitation_removal_page,
    invitation_renewal_page,
    numbers,
    roles_removal_page,
    stand_in_page,
)
from accounts.services.roles import ON_ACCOUNT
from core.policy import Action, requires
from core.step_up import recently_confirmed


@requires(Action.ACCOUNT_ASSIGN_ROLES, BillingAccount)
def account_invitation_renewal(request: HttpRequest, account: BillingAccount, invitation: int) -> HttpResponse:
    """Send an invitation again, with a new link."""
    return invitation_renewal_page(request, _place(account), invitation)


@requires(Action.ACCOUNT_ASSIGN_ROLES, BillingAccount)
def account_invitation_removal(request: HttpRequest, account: BillingAccount, invitation: int) -> HttpResponse:
    """Take an invitation back."""
    return invitation_removal_page(request, _place(account), invitation)


@requires(Action.ACCOUNT_ASSIGN_ROLES, BillingAccount)
@recently_confirmed
def account_role_stand_in(request: HttpRequest, account: BillingAccount, role: int) -> HttpResponse:
    """Appoint a stand-in for somebody until a day (§2.2)."""
    rows = AccountRole.objects.filter(account=account, stands_in_for=None).select_related("user")
    return stand_in_page(request, _place(account), get_object_or_404(rows, pk=role))


@requires(Action.ACCOUNT_ASSIGN_ROLES, BillingAccount)
@recently_confirmed
def account_roles_removal(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """Take the ticked roles away, all of them or none (S4-14a)."""
    rows = AccountRole.objects.filter(account=account, pk__in=numbers(request, "role"))
    held = list(rows.select_related("user", "stands_in_for").order_by("user__name", "pk"))
    return roles_removal_page(request, _place(account), held)


def _place(account: BillingAccount) -> RolesPlace:
    on = _("On billing account %(account)s") % {"account": account}
    crumbs = [(_("Access control (IAM)"), reverse("account_access", args=[account.code]))]
    return RolesPlace(ON_ACCOUNT, account, on, crumbs)
