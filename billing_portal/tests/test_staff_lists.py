"""Every list of the staff: in pages, in an order, searched and filtered, and as fast with many rows as with few."""

from itertools import count
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Seller
from accounts.tests.factories import UserFactory
from billing_portal.tests.staff_rows import MAKERS, make_row_of, models_of_staff
from core.labels import LABELS
from invoices.tests.factories import InvoiceFactory

pytestmark = pytest.mark.django_db

# One row, to which its list leads; or so few that nobody searches.
WITHOUT_A_LIST = {Seller}
WITHOUT_A_SEARCH = {"billingrun", "bankfile", "exchangerate", "gatewayhealth", "jobslot", "numberseries", "preflight"}
LISTS = [model for model in models_of_staff() if model not in WITHOUT_A_LIST]


def list_of(model: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def test_rows_are_made_for_every_list():
    assert set(MAKERS) == set(models_of_staff())


@pytest.mark.parametrize("model", LISTS, ids=lambda model: model._meta.label)
def test_a_list_asks_no_more_of_many_rows_than_of_few(client, model, long):
    """Sorted by each of its columns, too, with `--long`."""
    client.force_login(UserFactory(staff=True))
    few, many = (3, 30) if long else (2, 5)
    numbers = count(100)
    address = list_of(model)
    for _each in range(few):
        make_row_of(model, next(numbers))
    client.get(address)  # what is looked up once and kept
    with CaptureQueriesContext(
        connection,
    ) as of_few:
        client.get(address)
    for _each in range(many - few):
        make_row_of(model, next(numbers))

    with CaptureQueriesContext(connection) as of_many:
        page = client.get(address)

    shown = page.context["cl"]
    assert len(shown.result_list) >= many
    assert len(of_many) <= len(of_few), [query["sql"][:200] for query in of_many.captured_queries]
    for column in range(1, len(shown.list_display)) if long else (1,):
        assert client.get(address, {"o": column}).status_code == 200


@pytest.mark.parametrize("model", LISTS, ids=lambda model: model._meta.label)
def test_a_list_comes_in_pages_in_an_order_and_can_be_searched(client, model):
    of = admin.site._registry[model]
    assert of.list_per_page <= 100
    assert of.ordering or model._meta.ordering
    assert bool(of.search_fields) == (model._meta.model_name not in WITHOUT_A_SEARCH)
    client.force_login(UserFactory(staff=True))
    page = client.get(list_of(model), {"q": "nothing of the kind"} if of.search_fields else {})
    assert page.status_code == 200


def test_every_field_that_staff_read_has_a_name_in_their_language(rf):
    """From its model or from the common names; what Django makes of `asked_by` is English in every language."""
    request = rf.get("/")
    request.user = UserFactory(staff=True)
    unnamed = set()
    for model in models_of_staff():
        of, row = admin.site._registry[model], model()
        inlines = [(inline.model, inline.get_fieldsets(request, row)) for inline in of.get_inline_instances(request)]
        for shown, fieldsets in ((model, of.get_fieldsets(request, row)), *inlines):
            names = {*flatten_fieldsets(fieldsets), *(of.get_list_display(request) if shown is model else ())}
            for field in shown._meta.fields:
                if field.name in names and field._verbose_name is None and field.name not in LABELS:
                    unnamed.add(f"{shown._meta.label}.{field.name}")
    assert unnamed == set()


def test_status_and_money_are_shown_as_everywhere(client):
    invoice = InvoiceFactory()
    client.force_login(UserFactory(staff=True))
    for page in ("changelist", "change"):
        text = client.get(reverse(f"admin:invoices_invoice_{page}", args=[invoice.pk] if page == "change" else []))
        assert '<span class="chip chip--warn">' in text.content.decode()
        assert "€121.00" in text.content.decode()
