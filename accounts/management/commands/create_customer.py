"""`manage.py create_customer`: a new customer from the command line."""

import argparse
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email
from django.db import transaction
from django_countries import countries

from accounts import services
from accounts.forms import AddressForm
from accounts.models import Agreement

AGREEMENTS = {value.replace("_", "-"): value for value in Agreement.values}
ADDRESS = {
    "company": "company_name",
    "contact": "contact_name",
    "email": "email",
    "phone": "phone",
    "street": "line1",
    "street-2": "line2",
    "postal-code": "postal_code",
    "city": "city",
    "district": "district",
    "region": "region",
}


class Command(BaseCommand):
    help = (
        "Make a customer: an organisation, its billing account with addresses, and an invitation by mail for its first "
        "owner (customer agreement) or administrator (online services). Safe to repeat: an account of that name in "
        "that organisation is left as it is, and nobody is invited again. "
        "Exit status: 0 made, or there already; 1 refused, nothing was changed; 2 wrong arguments."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--organisation", required=True, metavar="NAME", help="an existing one or a new one")
        parser.add_argument("--account", metavar="NAME", help="name of the account (default: the organisation's)")
        parser.add_argument("--agreement", choices=sorted(AGREEMENTS), default="customer-agreement")
        parser.add_argument("--country", required=True, metavar="NL", help="ISO 3166-1; decides tax and currency")
        parser.add_argument("--owner", required=True, metavar="EMAIL", help="who gets the invitation")
        parser.add_argument("--language", choices=[code for code, _name in settings.LANGUAGES], default="en")
        parser.add_argument("--vat-id", default="")
        parser.add_argument("--registration-number", default="", help="in the trade register")
        sold_to = parser.add_argument_group("sold-to address", "checked by the rules of the country")
        bill_to = parser.add_argument_group(
            "bill-to address", "online services only; the sold-to where nothing is given"
        )
        for group, prefix in ((sold_to, "--"), (bill_to, "--bill-")):
            for option in ADDRESS:
                group.add_argument(f"{prefix}{option}", default="", metavar="TEXT")
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")

    def handle(self, **options: Any) -> None:
        country = options["country"].upper()
        if country not in dict(countries):
            raise CommandError(f"There is no country {country}: use two letters of ISO 3166-1, like NL.")
        agreement = AGREEMENTS[options["agreement"]]
        try:
            validate_email(options["owner"])
            with transaction.atomic():
                account, is_new = services.create_customer_once(
                    organisation=options["organisation"],
                    name=options["account"] or options["organisation"],
                    agreement=agreement,
                    country=country,
                    sold_to=self._address(options, "", country),
                    bill_to=self._bill_to(options, agreement, country),
                    owner_email=options["owner"],
                    vat_id=options["vat_id"],
                    registration_number=options["registration_number"],
                    language=options["language"],
                    by=None,
                )
                transaction.set_rollback(options["dry_run"])
        except ValidationError as refusal:
            raise CommandError(" ".join(refusal.messages)) from refusal
        self._say(account, is_new, options)

    def _bill_to(self, options: dict[str, Any], agreement: str, country: str) -> dict[str, str] | None:
        given = any(options[f"bill_{option.replace('-', '_')}"] for option in ADDRESS)
        if not given:
            return None
        if agreement == Agreement.CUSTOMER_AGREEMENT:
            raise CommandError(
                "On a customer agreement each billing profile has a bill-to of its own: leave --bill-* out."
            )
        return self._address(options, "bill_", country)

    def _address(self, options: dict[str, Any], prefix: str, country: str) -> dict[str, str]:
        typed = {name: options[f"{prefix}{option.replace('-', '_')}"] for option, name in ADDRESS.items()}
        form = AddressForm({**typed, "line3": ""}, country=country)
        if not form.is_valid():
            names = {name: option for option, name in ADDRESS.items()}
            wrong = [
                f"--{prefix.replace('_', '-')}{names[name]}: {' '.join(map(str, messages))}"
                for name, messages in form.errors.items()
            ]
            raise CommandError("\n".join(wrong))
        return form.values()

    def _say(self, account: Any, is_new: bool, options: dict[str, Any]) -> None:
        if not is_new:
            self.stdout.write(f"{account} is there already: {account.code}. Nothing was changed.")
        elif options["dry_run"]:
            self.stdout.write(f"Would make {account} in {account.currency} and invite {options['owner']}.")
        else:
            self.stdout.write(f"Made {account}: {account.code}. {options['owner']} is invited.")
