"""A person who walks through the portal in one of the ways that people have: by mouse, by keyboard alone, without
scripts; in English or in Dutch.

A journey is written once, in the words of the English page. The person looks for the same words in their own
language, so a page that lacks a translation stops them.
"""

import re
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from django.utils import translation
from django.utils.translation import gettext
from playwright.sync_api import Locator, expect

from billing_portal.tests.journeys.visit import Visit

MOUSE, KEYBOARD, NO_SCRIPTS = "mouse", "keyboard", "no scripts"
TABS = 150  # further than any page is long
# The page was just opened, the first thing on it is a link within it, and the target comes after where that leads.
_BEHIND_THE_MENU = """node => {
  const first = document.querySelector("a[href], button, input, select, textarea, summary");
  const there = first?.hash && first.pathname === location.pathname && document.querySelector(first.hash);
  return document.activeElement === document.body && Boolean(there)
    && Boolean(there.compareDocumentPosition(node) & Node.DOCUMENT_POSITION_FOLLOWING);
}"""
PATIENCE = 20_000  # milliseconds


@dataclass(frozen=True)
class Way:
    """How somebody goes through the portal."""

    means: str
    language: str
    color: str

    def __str__(self) -> str:
        return f"{self.language}-{self.means.replace(' ', '-')}-{self.color}"


# Every means, both languages and both colours; --long takes the whole product.
SAMPLE = (Way(MOUSE, "en", "light"), Way(NO_SCRIPTS, "nl", "dark"), Way(KEYBOARD, "en", "dark"))
EVERY_WAY = tuple(
    Way(means, language, color)
    for means in (MOUSE, KEYBOARD, NO_SCRIPTS)
    for language in ("en", "nl")
    for color in ("light", "dark")
)


class Person:
    """What somebody does at the browser, each act by the means they have."""

    def __init__(self, visit: Visit, way: Way) -> None:
        self.visit, self.way, self.page = visit, way, visit.page
        self.page.set_default_timeout(PATIENCE)

    def word(self, text: str, **values: Any) -> str:
        """The words of the page in this person's language; what is no message of ours stays as it is."""
        with self.speaking():
            said = gettext(text)
        return said % values if values else said

    def speaking(self) -> AbstractContextManager[None]:
        """Inside, texts are made in this person's language."""
        return translation.override(self.way.language)

    def opens(self, address: str) -> None:
        """Type an address, or follow a link of a mail."""
        self.page.goto(address if address.startswith("http") else self.visit.base + address)

    def follows(self, text: str, **values: Any) -> None:
        self.press_on(self.link(text, **values))

    def presses(self, text: str, **values: Any) -> None:
        self.press_on(self.button(text, **values))

    def asks_why(self, text: str) -> None:
        """Of a control that is disabled and says who may use it."""
        control = self.button(text)
        if self.way.means == MOUSE:
            control.hover()
        elif self.way.means == NO_SCRIPTS:
            control.click(force=True)  # it is "not enabled" for a driver, and answers a person all the same
        else:
            self.press_on(control)

    def types(self, label: str, text: str) -> None:
        """Replace what stands in a field."""
        self.types_into(self.field(label), text)

    def types_into(self, field: Locator, text: str) -> None:
        if self.way.means != KEYBOARD:
            field.fill(text)
            return
        self.reaches(field)
        self.page.keyboard.press("ControlOrMeta+a")
        if text:
            self.page.keyboard.type(text)
        else:
            self.page.keyboard.press("Delete")

    def ticks(self, label: str, **values: Any) -> None:
        """A box, on or off."""
        self.ticks_box(self.page.get_by_role("checkbox", name=self.word(label, **values), exact=True))

    def ticks_row(self, text: str) -> None:
        """The box with which a row of a list is chosen."""
        self.ticks_box(self.row(text).get_by_role("checkbox"))

    def ticks_box(self, box: Locator) -> None:
        if self.way.means == KEYBOARD:
            self.reaches(box)
            self.page.keyboard.press("Space")
        else:
            box.click()

    def picks(self, label: str) -> None:
        """One of several choices; its label may go on with a description."""
        choice = self.page.get_by_role("radio", name=re.compile(rf"^\s*{re.escape(self.word(label))}")).first
        if self.way.means == KEYBOARD:
            self._reach_in_group(choice)
        else:
            choice.check()

    def selects(self, label: str, option: str) -> None:
        """From a list; where a filter has a button to apply it, that is for the journey to press."""
        self.selects_in(self.field(label), option)

    def selects_in(self, field: Locator, option: str) -> None:
        wanted = self.word(option)
        if self.way.means != KEYBOARD:
            field.select_option(label=wanted)
            return
        self.reaches(field)
        self.page.keyboard.type(wanted)

    def sees(self, text: str, **values: Any) -> None:
        """Somewhere on the page, as words that can be seen."""
        words = self.word(text, **values)
        expect(self.page.get_by_text(words).filter(visible=True).first).to_be_visible(timeout=PATIENCE)

    def does_not_see(self, text: str, **values: Any) -> None:
        found = self.page.get_by_text(self.word(text, **values)).filter(visible=True)
        expect(found).to_have_count(0, timeout=PATIENCE)

    def reads(self, heading: str, **values: Any) -> None:
        """The heading of the page or panel that is open now: the person has arrived."""
        words = self.word(heading, **values)
        here = self.page.get_by_role("heading", name=words, exact=True).filter(visible=True).first
        expect(here).to_be_visible(timeout=PATIENCE)

    def row(self, text: str) -> Locator:
        """The row of a table or list in which these words stand."""
        return self.page.locator("tr, li").filter(has_text=self.word(text)).filter(visible=True).last

    def sees_in_row(self, row: str, text: str, **values: Any) -> None:
        expect(self.row(row).get_by_text(self.word(text, **values)).first).to_be_visible(timeout=PATIENCE)

    def looks(self) -> None:
        """Nothing is wrong with the page: see `Visit.check`."""
        self.visit.check()

    def link(self, text: str, **values: Any) -> Locator:
        found = self.page.get_by_role("link", name=self.word(text, **values), exact=True)
        return found.filter(visible=True).first

    def button(self, text: str, **values: Any) -> Locator:
        found = self.page.get_by_role("button", name=self.word(text, **values), exact=True)
        return found.filter(visible=True).first

    def field(self, label: str) -> Locator:
        """By its label, with or without the note that it may stay empty."""
        name = re.compile(rf"^\s*{re.escape(self.word(label))}(\s*\(.*\))?:?\s*$", re.IGNORECASE)
        return self.page.get_by_label(name).filter(visible=True).first

    def press_on(self, target: Locator) -> None:
        expect(target).to_be_visible(timeout=PATIENCE)
        if self.way.means != KEYBOARD:
            target.click()
            return
        self.reaches(target)
        self.page.keyboard.press("Enter")

    def reaches(self, target: Locator) -> None:
        """By Tab, and by the first link of a page where that leads past its menu."""
        expect(target).to_be_visible(timeout=PATIENCE)
        if target.evaluate(_BEHIND_THE_MENU):
            self.page.keyboard.press("Tab")
            self.page.keyboard.press("Enter")
        for _ in range(TABS):
            if target.evaluate("node => node === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"{target} cannot be reached by Tab")

    def _reach_in_group(self, choice: Locator) -> None:
        """Tab reaches the group, arrows go through it."""
        expect(choice).to_be_visible(timeout=PATIENCE)
        in_group = "node => document.activeElement.type === 'radio' && document.activeElement.name === node.name"
        for _ in range(TABS):
            if choice.evaluate(in_group):
                break
            self.page.keyboard.press("Tab")
        for _ in range(TABS):
            if choice.evaluate("node => node === document.activeElement"):
                break
            self.page.keyboard.press("ArrowDown")
        else:
            raise AssertionError(f"{choice} cannot be reached by arrows")
        if not choice.is_checked():
            self.page.keyboard.press("Space")
