"""One window of a browser, and everything that no page may do while somebody looks at it."""

import re
from dataclasses import dataclass, field
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

AXE_RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]},
    "resultTypes": ["violations"],  # what passes need not be described
    "preload": False,  # it would put style sheets into the page itself, which the content policy refuses
}
PHONE = {"width": 360, "height": 780}
BESIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
# What reaches beyond the right edge, outermost first.
REACHES_OUT = """() => [...document.querySelectorAll('body *')]
    .filter(node => node.getBoundingClientRect().right > innerWidth + 0.5)
    .slice(0, 6).map(node => node.outerHTML.slice(0, 90))"""
# Chromium also reports every 4xx of the page itself; those are answers that a journey asks for.
_ASKED_FOR = re.compile(r"status of 4\d\d")


@dataclass
class Visit:
    """Complaints of the browser (errors, reports of the content policy, answers of 500) gather in `trouble`."""

    page: Page
    base: str
    by_axe: bool = True
    trouble: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_navigation_timeout(90_000)  # a busy machine is slow, and no page is to blame
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.trouble.append(str(error)))
        self.page.on("response", self._note_answer)

    def open(self, path: str) -> None:
        self.page.goto(self.base + path)

    def check(self) -> None:
        """No axe violation, nothing beside the page at 360 px, no complaint of the browser."""
        if self.by_axe:
            found = Axe().run(self.page, options=AXE_RULES).response["violations"]
            wrong = [(rule["id"], node["target"], node["html"][:200]) for rule in found for node in rule["nodes"]]
            assert not wrong, f"axe: {wrong}"
        wide = self.page.viewport_size
        self.page.set_viewport_size(PHONE)
        beside = self.page.evaluate(BESIDE)
        reaching = self.page.evaluate(REACHES_OUT) if beside > 0 else []
        self.page.set_viewport_size(wide)
        assert beside <= 0, f"{self.page.url} is {beside} px wider than a phone: {reaching}"
        self.check_quiet()

    def check_quiet(self) -> None:
        assert not self.trouble, f"{self.page.url}: {self.trouble}"

    def _note(self, message: Any) -> None:
        if message.type == "error" and not _ASKED_FOR.search(message.text):
            self.trouble.append(message.text)

    def _note_answer(self, answer: Any) -> None:
        if answer.status >= 500:
            self.trouble.append(f"{answer.status} {answer.url}")
