"""Every page in a real browser: accessible in light and dark, no wider than a phone, and quiet."""

import random
from collections import defaultdict
from typing import Any

import pytest
from django.contrib import admin

from billing_portal.checks import routes
from billing_portal.tests.journeys.sweep import make_pages
from billing_portal.tests.journeys.sweep_staff import make_staff_pages
from billing_portal.tests.journeys.swept import Pages

# Routes that no page comes of: they take a POST, or they are a file.
WITHOUT_A_PAGE = {
    "method_removal_withdrawal",
    "transfer_withdrawal",
    "invoices_zip",
    "invoice_ubl",
    "invoice_csv",
    "contact_confirmation",
    "contact_later",
    "contact_removal",
    "delivery_resend",
    "payment_cancellation",
    "prepared_payment_approval",
    "prepared_payment_withdrawal",
    "access_review_choices",
    "access_review_export",
    "account_access_export",
    "viewing_end",
    "profile_permissions_export",
    "account_activity_export",
    "profile_activity_export",
    "profile_recipient_question",
    "profile_recipient_test",
    "profile_invoice_mute",
    "subscription_recipient_question",
    "subscription_recipient_test",
    "subscription_invoice_mute",
    "support_request_message",
    "support_request_closing",
    "support_file",
    "account_vat_check",
    "name_change_document",
    "scope_default",
    "start",
    "account_handover_renewal",
    "account_handover_withdrawal",
    "correction_request_withdrawal",
    "dispute_withdrawal",
    "invoice_balance",
    "invoice_links_revocation",
    "invoice_usage_csv",
    "payment_receipt_pdf",
    "remittance_pdf",
    "statement_pdf",
    "take_out_file",
}
LOOKS = [("en", "light"), ("nl", "dark")]
EVERY_LOOK = [(language, color) for language in ("en", "nl") for color in ("light", "dark")]
PARTS = 4  # so that several processes share the work


@pytest.mark.django_db
def test_the_sweep_opens_every_guarded_route():
    guarded = {pattern.name for _route, pattern in routes() if hasattr(pattern.callback, "requirement")}
    # What allauth answers stands beside, in templates of ours.
    swept = {name for _actor, name, _address in make_pages().addresses if not name.startswith("mfa_")}
    assert guarded - WITHOUT_A_PAGE == swept & guarded  # pages that need no right may be swept as well
    assert not WITHOUT_A_PAGE & swept


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize(("language", "color"), LOOKS)
def test_Q6_each_page_as_its_most_able_person(visit, language, color, part, long):
    """Half of the pages, each in one of its states and one of the two looks; --long takes all of it."""
    pages = make_pages()
    addresses = pages.addresses if long else _one_of_each_page(pages)[LOOKS.index((language, color)) :: len(LOOKS)]
    faults = _faults(visit, pages, addresses[part::PARTS], language, color)
    assert not faults, "\n".join(faults)


def _one_of_each_page(pages: Pages) -> list[tuple[str, str, str]]:
    states = defaultdict(list)
    for address in pages.addresses:
        states[address[1]].append(address)
    drawn = random.Random(len(states)).sample(sorted(states), len(states) // 2)
    return [random.Random(name).choice(states[name]) for name in drawn]


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
@pytest.mark.long(sample=0)
@pytest.mark.parametrize(
    "actor",
    [
        "owner",
        "account_contributor",
        "account_reader",
        "profile_owner",
        "profile_contributor",
        "profile_reader",
        "invoice_manager",
        "account_administrator",
        "user_administrator",
        "organisation_administrator",
        "nobody",
        "staff",
    ],
)
@pytest.mark.parametrize(("language", "color"), EVERY_LOOK)
def test_Q6_each_page_as_each_role(visit, language, color, actor):
    """Also what somebody sees who may not: the page that says no is a page."""
    pages = make_pages()
    addresses = [(actor, name, address) for _actor, name, address in pages.addresses]
    faults = _faults(visit, pages, addresses, language, color)
    assert not faults, "\n".join(faults)


# What no page of the staff comes of: files and answers to scripts; what leads elsewhere; what somebody else's page is.
STAFF_WITHOUT_A_PAGE = {
    *("accounts_namechange_document", "audit_file", "autocomplete", "charges_refused", "invoices_preflight_csv"),
    *("invoices_invoice_preview_document", "jsi18n", "ledger_csv", "notice_page", "payments_transfer_document"),
    *("receivables_csv", "support_file", "view_on_site", "login", "logout", "password_change", "password_change_done"),
    "invoices_invoice_preview_mail",  # a mail as mail programs draw it
    "invoices_correction_decision",  # of a request that is open, which the sweep of customers decides
}
MADE_BY_DJANGO = ("_changelist", "_add", "_change", "_history", "_delete")


@pytest.mark.django_db
def test_the_sweep_opens_every_page_of_the_staff():
    """Of the pages that Django makes for every model, those that its admin allows."""
    names = {pattern.name for pattern in _flat(admin.site.get_urls()) if pattern.name}
    own = {name for name in names if not name.endswith(MADE_BY_DJANGO)}
    swept = {name.removeprefix("admin:") for _actor, name, _address in make_staff_pages().addresses}
    lists = {name for name in names if name.endswith(("_changelist", "_change", "_history"))}
    assert (own | lists) - STAFF_WITHOUT_A_PAGE <= swept
    assert not STAFF_WITHOUT_A_PAGE & swept
    assert names >= STAFF_WITHOUT_A_PAGE


def _flat(patterns: list[Any]) -> list[Any]:
    return [each for pattern in patterns for each in _flat(getattr(pattern, "url_patterns", None) or []) or [pattern]]


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
@pytest.mark.long(sample=1)
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize(("language", "color"), EVERY_LOOK)
def test_Q6_each_page_of_the_staff(visit, language, color, part, long):
    """Every list full, empty and filtered, every row, every form. A few of them by default, in one look."""
    pages = make_staff_pages()
    addresses = pages.addresses[part::PARTS] if long else random.Random(0).sample(pages.addresses, 12)
    faults = _faults(visit, pages, addresses, language, color)
    assert not faults, "\n".join(faults)


def _faults(visit, pages: Pages, addresses: list[tuple[str, str, str]], language: str, color: str) -> list[str]:
    """What is wrong, page by page, so that one broken page does not hide the next."""
    windows, wrong = {}, []
    for actor, name, address in addresses:
        if actor not in windows:
            windows[actor] = visit(pages.people[actor], language=language, color=color)
        window = windows[actor]
        window.open(address)
        window.page.evaluate("document.querySelectorAll('details').forEach(node => (node.open = true))")
        try:
            window.check()
        except AssertionError as fault:
            wrong.append(f"{name} {address} as {actor}: {fault}")
            window.trouble.clear()
    return wrong
