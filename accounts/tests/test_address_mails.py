"""The mails about addresses, numbers and legal names: in the language of their reader, with links of ours, escaped."""

import re
from datetime import date

import pytest
from django.utils import timezone

from accounts import services
from accounts.models import VatCheck
from accounts.services.tax_ids import verify_vat_id
from accounts.tests.factories import BillingAccountFactory, SellerFactory, UserFactory
from accounts.verifiers import Answer
from core.mail import write_mail
from core.models import Message
from core.uploads import CheckedFile

pytestmark = pytest.mark.django_db


class NoToEverything:
    def verify(self, number, *, requester):
        return Answer(is_registered=False)


def every_mail(account, owner, staff):
    today = timezone.localdate()
    services.plan_account_addresses(
        account,
        sold_to={"line1": "Coolsingel 40"},
        sold_to_version=1,
        takes_effect_on=date(today.year + 1, 1, 2),
        today=today,
        by=owner,
    )
    services.save_tax_ids(
        account, vat_id=account.vat_id, registration_number="12345678", seen=(account.vat_id, "24381907"), by=owner
    )
    verify_vat_id(VatCheck.objects.get(account=account), NoToEverything(), at=timezone.now())
    for decide, note in ((services.refuse_name_change, "Not <b>readable</b>"), (services.approve_name_change, "")):
        file = CheckedFile("extract.pdf", "application/pdf", b"%PDF-1.7\n%%EOF\n")
        request = services.request_name_change(account, new_name="Alfa & Co", note="", document=file, by=owner)
        decide(request, note=note, by=staff)


@pytest.mark.parametrize(
    ("language", "subjects"),
    [
        (
            "en",
            {
                "Address of Alfa Logistiek B.V. will change",
                "Tax numbers of Alfa Logistiek B.V. changed",
                "VAT ID of Alfa Logistiek B.V. is not registered",
                "Request for another legal name of Alfa Logistiek B.V.",
                "New legal name of Alfa Logistiek B.V. refused",
                "New legal name of Alfa Logistiek B.V. approved",
            },
        ),
        (
            "nl",
            {
                "Adres van Alfa Logistiek B.V. gaat wijzigen",
                "Btw-nummers van Alfa Logistiek B.V. gewijzigd",
                "Btw-id van Alfa Logistiek B.V. is niet geregistreerd",
                "Aanvraag voor een andere officiële naam van Alfa Logistiek B.V.",
                "Nieuwe officiële naam van Alfa Logistiek B.V. geweigerd",
                "Nieuwe officiële naam van Alfa Logistiek B.V. goedgekeurd",
            },
        ),
    ],
)
def test_every_mail_is_written_in_the_language_of_its_reader(settings, tmp_path, language, subjects):
    settings.MEDIA_ROOT = tmp_path
    SellerFactory(email="billing@vendor.example")
    owner = UserFactory(language=language)
    account = BillingAccountFactory(name="Alfa Logistiek B.V.", owner=owner, vat_check="none")

    every_mail(account, owner, UserFactory(staff=True))

    written = [(message, write_mail(message)) for message in Message.objects.all()]
    assert {mail.subject for message, mail in written if message.recipient == owner.email} == subjects
    assert {message.template for message, _mail in written if message.recipient == "billing@vendor.example"} == {
        "name_change_to_review"
    }
    for message, mail in written:
        page = mail.alternatives[0].content
        assert "{{" not in mail.body + page
        assert "<b>readable" not in page
        assert f'lang="{message.language}"' in page
        assert all(link.startswith("http://testserver/") for link in re.findall(r"http[^\s\"<]+", mail.body))
        assert "\n\n\n" not in mail.body
