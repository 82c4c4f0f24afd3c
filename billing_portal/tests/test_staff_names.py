"""What rows are called on the pages of the staff: the kind of thing first, then amounts and days as people say them."""

import re
from itertools import count

import pytest
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import override

from accounts.tests.factories import UserFactory
from billing_portal.tests.staff_rows import make_row_of, models_of_staff

pytestmark = pytest.mark.django_db

NUMBERS = count(500)
# A day as the database says it, an amount with the code of its currency (a rate has one), a status that is a code.
UNSAID = re.compile(
    r"\d{4}-\d\d-\d\d|(?<!= )\b\d+[.,]\d\d [A-Z]{3}\b|\d{4}-\d\d\b|\b(succeeded|processing|proposed|started)\b"
)
HEADING = re.compile(r"<h1[^>]*>(.*?)</h1>", re.DOTALL)
CRUMBS = re.compile(r'<ol class="breadcrumbs">(.*?)</ol>', re.DOTALL)


def words(markup: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", markup).split())


@pytest.mark.parametrize("language", ["en", "nl"])
@pytest.mark.parametrize("model", models_of_staff(), ids=lambda model: model._meta.label)
def test_a_row_is_called_what_a_person_would_call_it(client, model, language):
    client.force_login(UserFactory(staff=True, language=language))
    make_row_of(model, next(NUMBERS))
    row = model._default_manager.latest("pk")
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    with override(language):
        kind = str(capfirst(model._meta.verbose_name))
    for page in ("change", "history"):
        text = client.get(reverse(f"{name}_{page}", args=[row.pk])).content.decode()
        heading, crumbs = words(HEADING.findall(text)[0]), words(CRUMBS.findall(text)[0])
        if page == "change":
            assert heading.startswith(kind)
        for said in (heading, crumbs):
            assert not UNSAID.search(said), said
