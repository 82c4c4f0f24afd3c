"""Staff hand in a file of charges; a worker imports it, and the refused rows come back as a file."""

import gzip

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from accounts.tests.factories import BillingAccountFactory, UserFactory
from core.errors import Refused
from invoices.jobs import import_charge_uploads
from invoices.models import Charge, ChargeUpload
from invoices.services import charge_uploads
from invoices.services.charge_uploads import upload_charges
from invoices.tests.factories import imported_subscription
from invoices.tests.focus_files import ROW, focus
from profiles.tests.factories import BillingProfileFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def account(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    account = BillingAccountFactory(american=True, external_id=ROW["BillingAccountId"])
    imported_subscription(BillingProfileFactory(account=account))
    return account


@pytest.fixture
def staff():
    return UserFactory(staff=True)


def sent(content: bytes, name: str = "october.csv") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


def uploaded(content: bytes, by) -> ChargeUpload:
    upload = upload_charges(sent(content), by=by)
    import_charge_uploads(upload.pk)
    return ChargeUpload.objects.get(pk=upload.pk)


def test_a_file_is_handed_in_imported_and_its_refused_rows_come_back(client, staff, tmp_path):
    client.force_login(staff)
    content = gzip.compress(focus({}, {"BilledCost": "=1+1", "SubAccountId": "@who"}, {"ChargeCategory": "Tax"}))

    answer = client.post(reverse("admin:charges_upload"), {"file": sent(content)}, follow=True)
    assert "A worker imports it" in answer.content.decode()
    assert answer["Refresh"] == "3"
    import_charge_uploads(ChargeUpload.objects.get().pk)

    upload = ChargeUpload.objects.get()
    assert (upload.status, upload.rows_read, upload.added_rows, upload.refused_rows) == ("done", 3, 1, 2)
    assert (upload.file.name, upload.result.file_name, upload.uploaded_by) == ("", "october.csv", staff)
    assert [path.name for path in (tmp_path / "charge-uploads").iterdir()] == [f"{upload.code}-refused.csv"]
    page = client.get(reverse("admin:invoices_chargeupload_change", args=[upload.pk]))
    assert "Download the refused rows" in page.content.decode()
    assert "Refresh" not in page
    refused = client.get(reverse("admin:charges_refused", args=[upload.pk]))
    text = b"".join(refused.streaming_content).decode("utf-8-sig")
    assert refused["Content-Disposition"] == 'attachment; filename="october-refused.csv"'
    assert "not a number" in text
    assert '"\'=1+1"' in text
    assert '"\'@who"' in text


def test_the_same_file_again_and_the_job_again_book_nothing_twice(staff):
    first = uploaded(focus({}), staff)
    import_charge_uploads(first.pk)

    again = uploaded(focus({}), staff)

    assert (again.added_rows, again.known_rows, Charge.objects.count()) == (0, 1, 1)


@pytest.mark.parametrize(
    "content",
    [b"nonsense\n", focus({})[:-5], gzip.compress(focus({}))[:40], b"\x1f\x8b"],
    ids=["nonsense", "cut", "packed and cut", "two bytes"],
)
def test_Q10_what_is_no_whole_file_is_refused_and_says_why(content, staff):
    upload = uploaded(content, staff)

    assert upload.status == "refused"
    assert upload.refusal
    assert not upload.file
    assert Charge.objects.count() == 0


def test_progress_is_written_while_rows_are_read(staff, monkeypatch):
    told = []
    monkeypatch.setattr(charge_uploads, "_progress", lambda upload: told.append)
    monkeypatch.setattr("invoices.services.charge_import.TOLD_EACH", 2)

    uploaded(focus(*({"ResourceId": str(number)} for number in range(5))), staff)

    assert told == [2, 4]


def test_an_empty_or_huge_file_is_not_kept(staff, monkeypatch):
    monkeypatch.setattr(charge_uploads, "LARGEST_UPLOAD", 10)

    for content, code in ((b"", "empty"), (b"x" * 11, "too_large")):
        with pytest.raises(Refused) as refusal:
            upload_charges(sent(content), by=staff)
        assert refusal.value.code == code
    assert not ChargeUpload.objects.exists()


def test_only_staff_with_the_right_come_in(client, staff):
    upload = uploaded(focus({}, {"ChargeCategory": "Tax"}), staff)
    pages = (reverse("admin:charges_upload"), reverse("admin:charges_refused", args=[upload.pk]))
    for person in (UserFactory(), UserFactory(staff=True, is_superuser=False)):
        client.force_login(person)
        assert {client.get(page).status_code for page in pages} <= {302, 403}
