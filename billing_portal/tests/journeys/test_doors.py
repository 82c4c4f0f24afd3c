"""The pages for who has not signed in: in both languages and colours, on a phone, by keyboard, without scripts."""

import os
import random
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from accounts.sign_in_urls import urlpatterns as of_signing_in
from accounts.tests.factories import PASSWORD
from billing_portal.checks import routes
from billing_portal.tests.journeys.doors import Door, make_doors
from billing_portal.tests.journeys.visit import PHONE, Visit

# No page comes of them: they take a POST, are a file, redirect, or answer a machine.
WITHOUT_A_PAGE = {
    "account_logout",  # who has signed in finds it in the other sweep
    "language",
    "healthz",
    "readyz",
    "gateway_webhook",
    "mail_webhook",
    "brand_css",  # files that pages and mails bring
    "brand_logo",
    "recipient_confirmation",
    "recipient_refusal",
}
# Where a link of a mail leads at once, without its token.
BEHIND_A_LINK = {
    "contact_link_answer": "contact_link",
    "topics_by_link": "topics_link",
    "joining_answer": "joining",
    "invitation_answer": "invitation",
    "password_factor": "password_factor_link",
}
# Of the test gateway, whose pages are not the portal's.
ELSEWHERE = "sandbox_"
LOOKS = [(language, color) for language in ("en", "nl") for color in ("light", "dark")]
# What Tab has to reach, by the order of the page; of radio buttons with one name only one is reached.
CONTROLS = """() => [...document.querySelectorAll(
    'a[href], button, input, select, textarea, summary, [tabindex="0"]')]
    .filter(node => node.checkVisibility({visibilityProperty: true}) && !node.disabled && node.type !== 'hidden'
        && node.tabIndex >= 0 && !(node.type === 'radio' && !node.checked)).length"""
FOCUSED = """() => {
    const node = document.activeElement, style = getComputedStyle(node);
    if (node === document.body) return null;
    node.dataset.reached = 'yes';
    return {html: node.outerHTML.slice(0, 120),
            shows: (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== 'none'};
}"""
REACHED = "() => document.querySelectorAll('[data-reached]').length"
# What a page says to who has no scripts, it says to nobody else.
WORDS = """() => {
    document.querySelectorAll('noscript').forEach(node => node.remove());
    return document.querySelector('main, body').innerText.replace(/\\s+/g, ' ').trim();
}"""


@pytest.mark.django_db
def test_every_page_without_a_sign_in_is_among_the_doors():
    doors, _person = make_doors()
    opened = {door.name for door in doors}
    open_routes = {
        pattern.name for _route, pattern in routes() if getattr(pattern.callback, "login_required", True) is False
    }
    open_routes |= {
        pattern.name for pattern in of_signing_in if getattr(pattern.callback, "login_required", True) is False
    }
    wanted = {name for name in open_routes - WITHOUT_A_PAGE if not name.startswith(ELSEWHERE)}

    assert {BEHIND_A_LINK.get(name, name) for name in wanted} - opened == set()


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
@pytest.mark.long(sample=1)
@pytest.mark.parametrize(("language", "color"), LOOKS)
def test_Q6_each_page_before_signing_in(visit, settings, language, color, long):
    """Nothing wrong for axe or beside a phone, everything reached by Tab and marked, the same words without scripts."""
    settings.ACCOUNT_RATE_LIMITS = False
    doors, person = make_doors()
    if not long:
        doors = random.Random(language + color).sample(doors, 16)
    faults = []
    for number, door in enumerate(doors):
        window = visit(None, language=language, color=color)
        _enter(window, door, person.email)
        try:
            window.check()
            _check_keyboard(window)
        except AssertionError as fault:
            faults.append(f"{door.name} {door.address}: {fault}")
            window.trouble.clear()
        _keep_pictures(window, f"{number:02}-{door.name}-{language}-{color}")
        if not door.is_sent:
            plain = visit(None, language=language, color=color, scripts=False)
            _enter(plain, door, person.email)
            if plain.page.evaluate(WORDS) != window.page.evaluate(WORDS):
                faults.append(f"{door.name} {door.address}: other words without scripts")
            plain.page.close()
        window.page.close()
    assert not faults, "\n".join(faults)


def _enter(window: Visit, door: Door, email: str) -> None:
    if door.is_halfway:
        window.open("/sign-in/login/")
        window.page.locator("input[name=login]").fill(email)
        window.page.locator("input[name=password]").fill(PASSWORD)
        window.page.locator("main button[type=submit].btn-primary").first.click()
        window.page.wait_for_url(f"**{door.address}*")
    else:
        window.open(door.address)
    if door.is_sent:
        window.page.evaluate("document.querySelectorAll('form').forEach(form => (form.noValidate = true))")
        window.page.locator("main button[type=submit].btn-primary").first.click()
        window.page.wait_for_load_state()


def _check_keyboard(window: Visit) -> None:
    """Each control is reached by Tab, and one sees where one is."""
    page = window.page
    wanted = page.evaluate(CONTROLS)
    page.evaluate("() => { document.activeElement.blur(); window.scrollTo(0, 0); }")
    unmarked = []
    for _step in range(wanted + 3):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        if focused and not focused["shows"]:
            unmarked.append(focused["html"])
    assert page.evaluate(REACHED) >= wanted, f"{urlsplit(page.url).path}: Tab misses some of {wanted} controls"
    assert not unmarked, f"focus is not seen on {unmarked}"


def _keep_pictures(window: Visit, name: str) -> None:
    """For eyes, where somebody wants to look: DOORS=folder."""
    if folder := os.environ.get("DOORS"):
        window.page.evaluate("document.activeElement.blur()")
        for width, size in (("wide", {"width": 1280, "height": 900}), ("phone", PHONE)):
            window.page.set_viewport_size(size)
            window.page.screenshot(path=Path(folder) / f"{name}-{width}.png", full_page=True, animations="disabled")
