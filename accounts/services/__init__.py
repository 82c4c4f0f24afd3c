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
from accounts.services.notices import OWNER_ROLES, mail_people, mail_person, owners_of
from accounts.services.roles import (
    RoleScope,
    assign_account_role,
    assign_role,
    has_lasting_owner,
    lock_account,
    remove_account_role,
    remove_role,
)

__all__ = [
    "OWNER_ROLES",
    "RoleScope",
    "accept_as_new_person",
    "accept_invitation",
    "assign_account_role",
    "assign_role",
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
    "remove_account_role",
    "remove_role",
    "renew_invitation",
    "revoke_invitation",
    "save_account_addresses",
    "save_address",
    "tell_address_changed",
    "why_unusable",
    "write_invitation",
]
