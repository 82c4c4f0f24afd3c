"""The cast of the demo world: every role once, and somebody with none."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

# Everybody's, in a database that holds nothing real. A real portal never gets here (check portal.E003).
PASSWORD = "demo-billing-portal"


@dataclass(frozen=True)
class Person:
    """Somebody to sign in as."""

    email: str
    name: str
    organisation: str
    role: str | Promise
    story: str | Promise
    language: str = "en"


ALFA, BETA, VENDOR = "Alfa Logistiek B.V.", "Beta Bouw B.V.", "Noordzee Cloud B.V."

PEOPLE = (
    Person(
        "marieke@alfa.example",
        "Marieke de Vries",
        ALFA,
        _("Billing account owner"),
        _("Decides who may do what; two of her invoices are past due."),
    ),
    Person(
        "sanne@alfa.example",
        "Sanne Jansen",
        ALFA,
        _("Billing account contributor"),
        _("Changes addresses, buys, adds cards; gives nobody a role."),
        "nl",
    ),
    Person(
        "lars@alfa.example",
        "Lars Visser",
        ALFA,
        _("Billing account reader"),
        _("Reads everything and changes nothing."),
    ),
    Person(
        "noor@alfa.example",
        "Noor Hendriks",
        ALFA,
        _("Billing profile owner"),
        _("Runs the billing profile IT & Data."),
    ),
    Person(
        "daan@alfa.example",
        "Daan Mulder",
        ALFA,
        _("Billing profile contributor"),
        _("Keeps the warehouse's cards; one of them expires soon."),
        "nl",
    ),
    Person(
        "tom@alfa.example",
        "Tom Bakker",
        ALFA,
        _("Invoice manager"),
        _("Comes every month to pay what Operations owes."),
        "nl",
    ),
    Person(
        "fatima@alfa.example",
        "Fatima el Khatib",
        ALFA,
        _("Billing profile reader"),
        _("Needs the PDF of one invoice."),
    ),
    Person(
        "inge@beta.example",
        "Inge Smit",
        BETA,
        _("Account administrator"),
        _("Online services: one administrator, a card per subscription."),
        "nl",
    ),
    Person(
        "bas@beta.example",
        "Bas de Groot",
        BETA,
        _("User administrator"),
        _("Keeps people, sees no bill."),
    ),
    Person(
        "eva@beta.example",
        "Eva Willems",
        BETA,
        _("Organisation administrator"),
        _("Reads the customer agreements of her organisation."),
    ),
    Person(
        "niemand@beta.example",
        "Pim Kuipers",
        BETA,
        _("No role"),
        _("Sees what somebody sees who was given nothing yet."),
    ),
    Person(
        "finance@vendor.example",
        "Joris Postma",
        VENDOR,
        _("Vendor's staff"),
        _("Works in the admin: customers, products, the seller."),
    ),
)
