"""The words for every action, for the page that says who may do what (P12)."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from core.policy import GRANTS, Action, Role

# What the portal can do today, in the order of the policy table. A right whose page is not there yet is
# not listed, since nobody can use it.
ACTIONS: dict[Action, str | Promise] = {
    Action.ACCOUNT_VIEW: _("See the properties of the account"),
    Action.ACCOUNT_EDIT_SOLD_TO: _("Change the sold-to address"),
    Action.ACCOUNT_REQUEST_LEGAL_NAME: _("Request another legal name"),
    Action.ACCOUNT_EDIT_TAX_IDS: _("Change VAT ID and registration number"),
    Action.ACCOUNT_VIEW_ROLES: _("See who has a role on the account"),
    Action.ACCOUNT_ASSIGN_ROLES: _("Assign and remove roles on the account"),
    Action.ACCOUNT_HAND_OVER: _("Hand the administration of the account over"),
    Action.ACCOUNT_VIEW_ACTIVITY: _("See the activity on the account"),
    Action.ACCOUNT_TAKE_OUT: _("Take out everything that the account has"),
    Action.ACCOUNT_VIEW_AS: _("View the account as somebody else sees it"),
    Action.ACCOUNT_REVIEW_ACCESS: _("Review who has access to the account"),
    Action.ACCOUNT_CLOSE: _("Close the billing account"),
    Action.PROFILE_VIEW: _("See billing profiles"),
    Action.PROFILE_CREATE: _("Create a billing profile"),
    Action.PROFILE_RENAME: _("Rename a billing profile"),
    Action.PROFILE_EDIT_BILL_TO: _("Change the bill-to address"),
    Action.PROFILE_EDIT_SHIP_TO: _("Change the service usage address"),
    Action.PROFILE_EDIT_PO_NUMBER: _("Set the PO number"),
    Action.PROFILE_MANAGE_PURCHASE_ORDERS: _("Add, change and close purchase orders with a budget"),
    Action.PROFILE_EDIT_INVOICE_DAY: _("Set the invoice day"),
    Action.PROFILE_EDIT_EMAIL_PREFERENCE: _("Switch invoices by e-mail on and off"),
    Action.PROFILE_EDIT_RECIPIENTS: _("Add and remove extra addresses for invoices"),
    Action.PROFILE_VIEW_ROLES: _("See who has a role on a billing profile"),
    Action.PROFILE_ASSIGN_ROLES: _("Assign and remove roles on a billing profile"),
    Action.PROFILE_EXPORT_ROLES: _("Export role assignments"),
    Action.PROFILE_VIEW_POLICIES: _("See the policies of a billing profile"),
    Action.PROFILE_APPLY_POLICIES: _("Set the policies of a billing profile"),
    Action.PROFILE_SET_APPROVAL: _("Set above which amount an owner approves payments"),
    Action.PROFILE_CLOSE: _("Close a billing profile"),
    Action.PROFILE_VIEW_ACTIVITY: _("See the activity on a billing profile"),
    Action.PROFILE_VIEW_AS: _("View a billing profile as somebody else sees it"),
    Action.PROFILE_PURCHASE: _("Buy with a billing profile"),
    Action.INVOICE_VIEW: _("See invoices and payments"),
    Action.INVOICE_DOWNLOAD: _("Download invoices"),
    Action.INVOICE_PAY: _("Pay invoices"),
    Action.INVOICE_APPROVE_PAYMENT: _("Approve payments above the limit"),
    Action.INVOICE_SHARE_ACCESS: _("Let others see the invoices of a subscription"),
    Action.INVOICE_RECEIVE: _("Get invoices by e-mail"),
    Action.METHOD_VIEW: _("See payment methods"),
    Action.METHOD_ADD: _("Add a payment method"),
    Action.METHOD_REPLACE_DEFAULT: _("Change the default payment method of a profile"),
    Action.METHOD_SET_ACTIVE: _("Change the active payment method of a subscription"),
    Action.METHOD_EDIT: _("Edit or replace a payment method"),
    Action.METHOD_DELETE: _("Remove a payment method"),
    Action.METHOD_REQUEST_TRANSFER: _("Ask to pay by bank transfer"),
    Action.CREDIT_VIEW: _("See credits"),
    Action.SUBSCRIPTION_VIEW: _("See subscriptions"),
    Action.SUBSCRIPTION_CREATE: _("Buy a subscription"),
    Action.SUBSCRIPTION_MOVE: _("Move a subscription to another section of the invoice"),
    Action.SECTION_CREATE: _("Add, rename and remove invoice sections"),
    Action.SUPPORT_ASK: _("Ask the vendor"),
    Action.ORGANISATION_VIEW: _("See the organisation profile"),
    Action.ORGANISATION_EDIT: _("Change the organisation profile"),
    Action.ORGANISATION_JOIN_ACCOUNT: _("Become owner of an account of the organisation"),
}


@dataclass(frozen=True)
class Capability:
    """One action, and for each role of the table whether it may."""

    action: Action
    label: str | Promise
    cells: list[tuple[Role, bool]]


def capability_table(roles: Sequence[Role]) -> list[Capability]:
    """The table of GRANTS in words."""
    return [
        Capability(action, label, [(role, role in GRANTS[action]) for role in roles])
        for action, label in ACTIONS.items()
    ]
