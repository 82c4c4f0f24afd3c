"""The verbs of people, accounts, addresses and roles."""

from accounts.services.addresses import create_address, save_account_addresses, save_address, tell_address_changed
from accounts.services.customers import create_customer, create_customer_once, currency_of, open_account, owner_role
from accounts.services.invitations import (
    accept_as_new_person,
    accept_invitation,
    digest,
    find_invitation,
    invite_to_account,
    person_in_organisation,
    person_with,
    renew_invitation,
    revoke_invitation,
    why_unusable,
    write_invitation,
)
from accounts.services.name_changes import (
    approve_name_change,
    refuse_name_change,
    request_name_change,
    withdraw_name_change,
)
from accounts.services.notices import OWNER_ROLES, mail_people, mail_person, owners_of
from accounts.services.organisations import update_organisation
from accounts.services.planned import (
    apply_planned_change,
    plan_account_addresses,
    plan_addresses,
    withdraw_planned_change,
)
from accounts.services.roles import (
    RoleScope,
    assign_account_role,
    assign_role,
    has_lasting_owner,
    lock_account,
    remove_account_role,
    remove_role,
)
from accounts.services.scopes import choose_default, remember_scope, start_scope
from accounts.services.tax_ids import ask_again, begin_vat_check, save_tax_ids, verify_vat_id

__all__ = [
    "OWNER_ROLES",
    "RoleScope",
    "accept_as_new_person",
    "accept_invitation",
    "apply_planned_change",
    "approve_name_change",
    "ask_again",
    "assign_account_role",
    "assign_role",
    "begin_vat_check",
    "choose_default",
    "create_address",
    "create_customer",
    "create_customer_once",
    "currency_of",
    "digest",
    "find_invitation",
    "has_lasting_owner",
    "invite_to_account",
    "lock_account",
    "mail_people",
    "mail_person",
    "open_account",
    "owner_role",
    "owners_of",
    "person_in_organisation",
    "person_with",
    "plan_account_addresses",
    "plan_addresses",
    "refuse_name_change",
    "remember_scope",
    "remove_account_role",
    "remove_role",
    "renew_invitation",
    "request_name_change",
    "revoke_invitation",
    "save_account_addresses",
    "save_address",
    "save_tax_ids",
    "start_scope",
    "tell_address_changed",
    "update_organisation",
    "verify_vat_id",
    "why_unusable",
    "withdraw_name_change",
    "withdraw_planned_change",
    "write_invitation",
]
