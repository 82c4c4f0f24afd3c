"""What staff see of documents: those that could not be made, those that are tried again, and characters that no font
shows; and how they have one made after all."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from accounts.tests.factories import UserFactory
from core import jobs
from invoices.models import Document
from invoices.tests.factories import InvoiceFactory

LIST = reverse("admin:invoices_document_changelist")


@pytest.fixture
def failed():
    Document.objects.filter(invoice=InvoiceFactory()).update(status="failed", last_error="RenderRefused: no such font")
    return Document.objects.get(status="failed")


@pytest.mark.django_db
def test_I28_staff_find_what_could_not_be_made_is_tried_again_or_lacks_a_character(client, failed, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    InvoiceFactory(profile_name="上海 Trading")
    jobs.run_due(only=["invoices.make_documents"])  # a character is never in the way
    Document.objects.filter(invoice=InvoiceFactory()).update(last_error="RenderFailed: timed out")
    client.force_login(UserFactory(staff=True))

    def found(trouble: str) -> list[str]:
        rows = client.get(LIST, {"trouble": trouble}).context["cl"].result_list
        return [row.last_error or row.replaced_characters for row in rows]

    assert found("failed") == ["RenderRefused: no such font"]
    assert found("late") == ["RenderFailed: timed out"]
    assert found("replaced") == ["上海"]
    assert len(client.get(LIST).context["cl"].result_list) == Document.objects.count()
    assert "no such font" in client.get(reverse("admin:invoices_document_change", args=[failed.pk])).text


@pytest.mark.django_db(transaction=True)
def test_I28_staff_have_a_failed_document_made_and_what_is_made_stays_as_it_is(client, failed, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    InvoiceFactory()
    jobs.run_due(only=["invoices.make_documents"])
    made = Document.objects.filter(status="ready").order_by("pk").values_list("pk", "sha256", "made_at")
    before = list(made)
    client.force_login(UserFactory(staff=True))
    every = list(Document.objects.values_list("pk", flat=True))

    answer = client.post(LIST, {"action": "make_again", "_selected_action": every}, follow=True)
    still_made = list(made)
    jobs.run_due(only=["invoices.make_documents"])

    assert [str(message) for message in answer.context["messages"]] == ["1 document is tried again."]
    assert still_made == before
    failed.refresh_from_db()
    assert (failed.status, failed.last_error) == ("ready", "")


@pytest.mark.django_db
def test_somebody_who_may_only_look_has_nothing_made(client, failed):
    looker = UserFactory(is_staff=True)
    looker.user_permissions.add(Permission.objects.get(codename="view_document"))
    client.force_login(looker)

    client.post(LIST, {"action": "make_again", "_selected_action": [failed.pk]})

    failed.refresh_from_db()
    assert failed.status == "failed"
