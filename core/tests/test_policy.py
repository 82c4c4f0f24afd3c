"""The table of rights itself: it is whole, it says what domain §2.2 says, and nobody slips past it."""

import pytest

from core.policy import (
    ACCOUNT_ROLES,
    GRANTS,
    INHERITED_AS,
    PROFILE_ROLES,
    ROLE_DESCRIPTIONS,
    Action,
    Role,
    _read_table,
    roles_granting,
)

EDITORS = {Role.ACCOUNT_OWNER, Role.ACCOUNT_CONTRIBUTOR, Role.PROFILE_OWNER, Role.PROFILE_CONTRIBUTOR}
READERS = {Role.ACCOUNT_READER, Role.PROFILE_READER, Role.ORGANISATION_ADMINISTRATOR, Role.USER_ADMINISTRATOR}
LOOKING = {action for action in Action if action.value.split(":")[1] in {"see", "download"} | {"view"}} | {
    Action.ACCOUNT_VIEW_ROLES,
    Action.PROFILE_VIEW_ROLES,
    Action.PROFILE_VIEW_POLICIES,
    Action.PROFILE_EXPORT_ROLES,
    Action.INVOICE_RECEIVE,
    Action.SUPPORT_ASK,
}
KEEPING_PEOPLE = {
    Action.USER_EDIT,
    Action.USER_CREATE,
    Action.ORGANISATION_EDIT,
    Action.ORGANISATION_JOIN_ACCOUNT,
}


def test_every_action_has_a_row_and_every_row_an_action():
    assert set(GRANTS) == set(Action)


def test_every_role_may_something_and_is_described():
    assert {role for roles in GRANTS.values() for role in roles} == set(Role)
    assert set(ROLE_DESCRIPTIONS) == set(Role)


@pytest.mark.parametrize(
    ("table", "error"),
    [
        ("BAO\naccount:see x\n", "actions without a row"),
        ("BAO BAC\naccount:see x\n", "does not fit"),
        ("BAO\naccount:see y\n", "does not fit"),
        ("BAO\naccount:fly x\n", "is not a valid Action"),
        ("BOSS\naccount:see x\n", "BOSS"),
    ],
)
def test_a_table_that_is_wrong_does_not_load(table, error):
    with pytest.raises((ValueError, KeyError), match=error):
        _read_table(table)


@pytest.mark.parametrize("role", sorted(READERS))
def test_A_readers_only_look(role):
    changes = {action for action in Action if role in GRANTS[action]} - LOOKING

    assert changes <= (KEEPING_PEOPLE if "administrator" in role else set())


@pytest.mark.parametrize(
    ("action", "roles"),
    [
        # S4-1: the e-mail preference is for owners and contributors of profile or account.
        (Action.PROFILE_EDIT_EMAIL_PREFERENCE, EDITORS | {Role.ACCOUNT_ADMINISTRATOR}),
        # S4-9, §2.3 row 7: owners give roles, nobody else.
        (Action.PROFILE_ASSIGN_ROLES, {Role.ACCOUNT_OWNER, Role.PROFILE_OWNER}),
        (Action.ACCOUNT_ASSIGN_ROLES, {Role.ACCOUNT_OWNER}),
        # S2-18, §2.3 row 1: contributors and invoice managers pay.
        (Action.INVOICE_PAY, EDITORS | {Role.INVOICE_MANAGER, Role.ACCOUNT_ADMINISTRATOR}),
        # S2-6: paying is not buying.
        (Action.PROFILE_PURCHASE, EDITORS | {Role.ACCOUNT_ADMINISTRATOR}),
        # S0-5, A-roles: the sold-to is the account's.
        (
            Action.ACCOUNT_EDIT_SOLD_TO,
            {Role.ACCOUNT_OWNER, Role.ACCOUNT_CONTRIBUTOR, Role.ACCOUNT_ADMINISTRATOR},
        ),
        # S2-11: profiles are made on the account.
        (Action.PROFILE_CREATE, {Role.ACCOUNT_OWNER, Role.ACCOUNT_CONTRIBUTOR}),
        # S3-2: methods of a profile; invoice managers do not add one.
        (Action.METHOD_ADD, EDITORS | {Role.ACCOUNT_ADMINISTRATOR}),
        # §3.9: invoices are mailed to people with a role on the profile; demands not to readers.
        (Action.INVOICE_RECEIVE, {*PROFILE_ROLES, Role.ACCOUNT_ADMINISTRATOR}),
        (Action.INVOICE_RECEIVE_DUNNING, {*PROFILE_ROLES, Role.ACCOUNT_ADMINISTRATOR} - {Role.PROFILE_READER}),
        # S0-13: the user administrator keeps people and has no billing right.
        (Action.USER_EDIT, {Role.USER_ADMINISTRATOR}),
        # §2.2: the organisation administrator may join an account, and nobody else.
        (Action.ORGANISATION_JOIN_ACCOUNT, {Role.ORGANISATION_ADMINISTRATOR}),
    ],
)
def test_the_table_says_what_the_domain_says(action, roles):
    assert set(roles_granting(action)) == roles


def test_no_billing_right_flows_from_keeping_people():
    rights = {action for action in Action if Role.USER_ADMINISTRATOR in GRANTS[action]}

    assert {action.value.split(":")[0] for action in rights} == {"user", "organisation"}


def test_what_an_account_role_means_below_is_never_more_than_it_means_above():
    for above, below in INHERITED_AS.items():
        if above == Role.ACCOUNT_ADMINISTRATOR:
            continue  # owns profiles that are never shown, and whose roles are never given
        on_profile = {action for action in Action if below in GRANTS[action]}
        on_account = {action for action in Action if above in GRANTS[action]}
        # Invoices are mailed to roles on the profile itself (§3.9).
        assert on_profile - on_account <= {Action.INVOICE_RECEIVE, Action.INVOICE_RECEIVE_DUNNING}


def test_the_scopes_share_no_role():
    assert not set(ACCOUNT_ROLES) & set(PROFILE_ROLES)
