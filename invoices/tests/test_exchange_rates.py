"""Rates of exchange come in by file, whole or not at all, and stand on the documents (L1)."""

from datetime import date
from decimal import Decimal
from io import BytesIO

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.urls import reverse

from accounts.tests.factories import AccountRoleFactory, UserFactory
from core.errors import Refused
from invoices.documents.einvoice import terms_of
from invoices.documents.printed import printed
from invoices.documents.source import payload_of
from invoices.models import ExchangeRate
from invoices.services.exchange_import import LARGEST_FILE, import_rates
from invoices.tests.factories import InvoiceFactory
from profiles.tests.factories import BillingProfileFactory

pytestmark = pytest.mark.django_db

HISTORY = b"Date,USD,JPY,CYP,\n2026-11-20,1.0837,169.94,N/A,\n2026-11-19,1.0812,170.01,,\n"
ONE_DAY = b"Date, USD, JPY, \n20 November 2026, 1.0837, 169.94, \n"


def rates() -> set[tuple[str, str, str]]:
    return {(row.currency, str(row.day), f"{row.rate.normalize():f}") for row in ExchangeRate.objects.all()}


def test_L1_the_files_of_the_bank_are_taken_and_the_same_again_changes_nothing():
    report = import_rates(BytesIO(HISTORY))

    assert (report.added, report.known) == (4, 0)
    assert rates() == {
        ("USD", "2026-11-20", "1.0837"), ("JPY", "2026-11-20", "169.94"),
        ("USD", "2026-11-19", "1.0812"), ("JPY", "2026-11-19", "170.01"),
    }  # fmt: skip
    again = import_rates(BytesIO(ONE_DAY))
    assert (again.added, again.known) == (0, 2)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "first column"),
        (b"Day,USD\n2026-11-20,1\n", "first column"),
        (b"Date,USD,USD\n2026-11-20,1,2\n", "twice"),
        (b"Date,USD\n2026-11-20,1\n2026-11-20,1\n", "Line 3"),
        (b"Date,USD\n2026-11-31,1\n", "no day"),
        (b"Date,USD\n2026-11-20,-1\n", "no rate"),
        (b"Date,USD\n2026-11-20,0\n", "no rate"),
        (b"Date,USD\n2026-11-20,1e9\n", "no rate"),
        (b"Date,USD\n2026-11-20,1.12345678901\n", "no rate"),
        (b"Date,DOLLAR\n2026-11-20,1\n", "no currency"),
        (b"Date,USD\n2026-11-20,\xff\n", "no CSV"),
        (b'Date,USD\n2026-11-20,"1\n', "no CSV"),
        (b"Date,USD\n", "no rates"),
        (b"x" * (LARGEST_FILE + 1), "larger"),
    ],
)
def test_L1_a_file_with_an_error_is_refused_whole_with_its_place(content, said):
    with pytest.raises(Refused, match=said):
        import_rates(BytesIO(content))

    assert rates() == set()


def test_L1_a_file_that_contradicts_what_is_known_is_refused():
    import_rates(BytesIO(ONE_DAY))

    with pytest.raises(Refused, match="2026-11-20, USD: the file says"):
        import_rates(BytesIO(b"Date,USD\n2026-11-19,1.1\n2026-11-20,1.5\n"))

    assert len(rates()) == 2


def test_L1_statements_do_not_grow_with_the_file(django_assert_max_num_queries):
    days = "".join(f"{date.fromordinal(730000 + day)},1.{day}\n" for day in range(1000))

    with django_assert_max_num_queries(6):
        import_rates(BytesIO(f"Date,USD\n{days}".encode()))


def test_L1_the_command_says_what_it_does_and_a_dry_run_writes_nothing(tmp_path, capsys):
    path = tmp_path / "eurofxref.csv"
    path.write_bytes(HISTORY)

    call_command("import_exchange_rates", path, "--dry-run", "--since", "2026-11-20")
    assert (rates(), capsys.readouterr().out) == (set(), "2 rates would be imported, 0 known already.\n")
    call_command("import_exchange_rates", path, "--since", "2026-11-20")
    assert len(rates()) == 2
    path.write_bytes(b"nonsense")
    with pytest.raises(CommandError, match="first column"):
        call_command("import_exchange_rates", path)
    with pytest.raises(CommandError, match="No such file"):
        call_command("import_exchange_rates", tmp_path / "gone.csv")


def test_L1_staff_hand_in_the_file_and_nobody_else(client):
    page = reverse("admin:exchange_rates_import")
    client.force_login(UserFactory())
    assert client.get(page).status_code in (302, 403)
    client.force_login(UserFactory(staff=True, is_superuser=False))
    assert client.get(page).status_code == 403
    client.force_login(UserFactory(staff=True))

    refused = client.post(page, {"file": SimpleUploadedFile("rates.csv", b"Date,USD\n2026-11-20,x\n")})
    assert "Line 2: “x” is no rate. Nothing was taken in." in refused.content.decode()
    answer = client.post(page, {"file": SimpleUploadedFile("rates.csv", HISTORY)}, follow=True)

    assert "4 rates were added." in answer.content.decode()
    assert len(rates()) == 4


def dollar_invoice():
    profile = BillingProfileFactory(account__currency="USD")
    return InvoiceFactory(
        profile=profile,
        vat_currency="EUR",
        vat_exchanged_minor=1938,
        exchange_rate=Decimal("1.0837"),
        exchange_day=date(2026, 11, 4),
    )


def test_L1_the_document_says_the_vat_in_the_sellers_currency_and_the_rate():
    payload = payload_of(dollar_invoice())

    rows = {row["label"]: row["amount"] for row in printed(payload)["totals"]["rows"]}
    assert rows["VAT in EUR (1 EUR = 1.0837 USD, 4 Nov 2026)"] == "€19.38"
    terms = terms_of(payload)
    assert (terms["BT-5"], terms["BT-6"], terms["BT-111"]) == ("USD", "EUR", "19.38")


def test_L1_the_page_says_it_too(client):
    invoice = dollar_invoice()
    user = UserFactory()
    AccountRoleFactory(account=invoice.account, user=user)
    client.force_login(user)

    text = client.get(invoice.get_absolute_url()).content.decode()

    assert "VAT in EUR (1 EUR = 1.0837 USD, 4 Nov 2026)" in text
    assert "€19.38" in text
