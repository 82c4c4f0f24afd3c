"""The field matrix (Q4): each form, as each role that gets it, with every field of the models behind it sent along.

What is in the database afterwards is what it is without them. The default run takes a sample of the routes.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import models, transaction
from django.test import Client, override_settings

from accounts.models import BillingAccount, User
from billing_portal.tests import test_fuzz
from billing_portal.tests.hostile import EXTRA
from billing_portal.tests.test_fuzz import Form, Stage, forms_of, set_the_stage, state_after, targets_of
from core.policy import Role

AT_LEAST = 600
ROUTES = [pattern.name for pattern in test_fuzz.ROUTES if getattr(pattern.callback, "requirement", None)]
# What is tried, by the kind of field; a key of somebody else's row for a foreign key.
VALUES: list[tuple[type[models.Field], bytes]] = [
    (models.BooleanField, b"on"),
    (models.DateTimeField, b"2031-01-01T00:00"),
    (models.DateField, b"2031-01-01"),
    (models.DecimalField, b"7"),
    (models.IntegerField, b"7"),
    (models.JSONField, b'{"a": 7}'),
    (models.Field, b"aaaaaaaaaaaaaaaaaaaa"),
]


@pytest.fixture(scope="module")
def stage(django_db_setup, django_db_blocker, tmp_path_factory) -> Iterator[Stage]:
    """The stage of the fuzz, with a browser for every role; undone when the module is through."""
    elsewhere = override_settings(ROOT_URLCONF=test_fuzz.__name__, MEDIA_ROOT=tmp_path_factory.mktemp("media"))
    with elsewhere, django_db_blocker.unblock(), transaction.atomic():
        stage = set_the_stage()
        for actor, user in stage.world.actors.items():
            if user is not None and actor not in stage.browsers:
                stage.browsers[actor] = Client(raise_request_exception=False)
                stage.browsers[actor].force_login(user)
                stage.emails[actor] = user.email
        yield stage
        transaction.set_rollback(True)


@pytest.mark.django_db
@pytest.mark.long(sample=18)
@pytest.mark.parametrize("name", ROUTES)
def test_Q4_no_form_takes_a_field_that_it_does_not_have(name, stage, settings):
    settings.ROOT_URLCONF = test_fuzz.__name__
    accepted = []
    for role, form, target in _forms(stage, name):
        extras = _extras(target, {key for key, _value in form.fields})
        wanted = state_after(stage, role, form, form.fields, target)
        if state_after(stage, role, form, (*form.fields, *extras.items()), target) != wanted:
            for key, value in extras.items():
                if state_after(stage, role, form, (*form.fields, (key, value)), target) != wanted:
                    accepted.append((role, form.action, key))
    assert accepted == []


@pytest.mark.django_db
def test_Q4_there_are_hundreds_of_cases(stage, settings):
    """Counted on the forms of one profile alone; the others come on top."""
    settings.ROOT_URLCONF = test_fuzz.__name__
    names = ("profile_edit", "profile_addresses", "profile_policies_edit", "profile_new", "account_addresses")
    found = [(form, _extras(target, set())) for name in names for _role, form, target in _forms(stage, name)]
    assert len({form.action for form, _extras in found}) >= len(names)
    assert sum(len(extras) for _form, extras in found) >= AT_LEAST


def _forms(stage: Stage, name: str) -> Iterator[tuple[str, Form, Any]]:
    """The forms of the route, for each role that gets them."""
    for asked_as, address, target in targets_of(stage, name):
        alone = asked_as in {"anonymous", Role.ACCOUNT_ADMINISTRATOR}
        for role in [asked_as] if alone else [role for role in Role if role in stage.browsers]:
            for form in forms_of(stage, role, address):
                yield role, form, target


def _extras(target: Any, fields: set[str]) -> dict[str, bytes]:
    """Every field of the row, of the person who sends it and of the account, but those that the form has."""
    extras = dict(EXTRA)
    for model in dict.fromkeys([*([type(target)] if target is not None else []), User, BillingAccount]):
        for field in model._meta.concrete_fields:
            value = next(value for kind, value in VALUES if isinstance(field, kind))
            extras |= {field.name: value, field.attname: value}
    return {key: value for key, value in extras.items() if key not in fields}


@pytest.mark.django_db
def test_Q4_a_form_that_takes_anything_is_seen(stage, settings, monkeypatch):
    """The matrix itself: a view that writes what is sent does not pass."""
    settings.ROOT_URLCONF = test_fuzz.__name__
    role, form, target = next(_forms(stage, "profile_policies_edit"))
    view = "profiles.views.set_policies"
    monkeypatch.setattr(view, lambda profile, **_values: _write_anything(profile))
    wanted = state_after(stage, role, form, form.fields, target)

    monkeypatch.setattr(view, lambda profile, **_values: _write_anything(profile, currency="USD"))
    assert state_after(stage, role, form, (*form.fields, ("currency", b"USD")), target) != wanted


def _write_anything(profile: Any, **values: Any) -> bool:
    type(profile).objects.filter(pk=profile.pk).update(po_number="x", **values)
    return True
