"""The frame and the components in a real browser: accessible, quiet, on every width, with and without scripts."""

from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from billing_portal.tests.gallery import urls as gallery

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("billing_portal.tests.gallery.urls"),
]

PAGES = [*gallery.DRAWN, *gallery.PRODUCT]
WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 360, "height": 740}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

Visit = Callable[..., Page]


@pytest.fixture
def visit(chromium: Browser, live_server) -> Iterator[Visit]:
    """Opens a page of the gallery; complaints of the browser fail the test at its end."""
    contexts, complaints = [], []

    def open_page(address: str, viewport: dict[str, int] = WIDE, **options: object) -> Page:
        context = chromium.new_context(viewport=viewport, reduced_motion="reduce", **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{live_server.url}/gallery/{address}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def violations(page: Page) -> list[str]:
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": RULES}}).response["violations"]
    return [f"{rule['id']}: {node['html'][:150]}" for rule in found for node in rule["nodes"]]


def overflow(page: Page) -> int:
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def focused(page: Page) -> str:
    return page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()")


LOOKS = [
    (name, language, mode, width)
    for name in PAGES
    for language, mode, width in [
        ("en", "light", "wide"),
        ("nl", "dark", "phone"),
        ("en", "dark", "wide"),
        ("nl", "light", "phone"),
    ]
]


@pytest.mark.long(sample=2)
@pytest.mark.parametrize(("name", "language", "mode", "width"), LOOKS)
def test_every_page_is_accessible_and_fits(visit: Visit, name: str, language: str, mode: str, width: str):
    page = visit(f"{name}/?lang={language}&mode={mode}&toast", WIDE if width == "wide" else PHONE)
    assert violations(page) == []
    assert overflow(page) == 0


def test_a_very_long_name_fits_everywhere(visit: Visit):
    name = "Koninklijke+Maatschappij+" + "Overslagbedrijf" * 8
    for width in (WIDE, {"width": 1000, "height": 800}, PHONE):
        page = visit(f"permissions/?name={name}", width)
        assert overflow(page) == 0


@pytest.mark.long(sample=1)
@pytest.mark.parametrize("width", [480, 640, 768, 900, 1024, 1200, 1920])
def test_no_width_between_makes_a_page_scroll_sideways(visit: Visit, width: int):
    for name in ("home", "invoices", "permissions", "parts"):
        assert overflow(visit(f"{name}/", {"width": width, "height": 900})) == 0


def test_the_system_decides_the_colours_of_who_follows_it(visit: Visit):
    for scheme in ("dark", "light"):
        page = visit("home/?mode=auto", color_scheme=scheme)
        assert page.get_attribute("html", "data-bs-theme") == scheme
    page.emulate_media(color_scheme="dark")
    page.wait_for_selector("html[data-bs-theme=dark]")


def test_a_saved_colour_mode_stands_against_the_system(visit: Visit):
    page = visit("home/?mode=light", color_scheme="dark")
    assert page.get_attribute("html", "data-bs-theme") == "light"


# --- Panels ---------------------------------------------------------------------------------------


def test_a_panel_opens_at_the_right_and_gives_the_focus_back(visit: Visit):
    page = visit("permissions/")
    page.get_by_role("link", name="Add", exact=True).click()
    page.wait_for_selector(".panel")
    page.wait_for_url("**/gallery/role/")
    assert focused(page) == "panel-title"
    assert page.title().startswith("Add role assignment")
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.wait_for_url("**/gallery/permissions/")
    assert page.locator(".panel").count() == 0
    assert focused(page) == "Add"
    assert page.title().startswith("Permissions")


def test_back_closes_a_panel_and_forward_or_reload_shows_it_as_a_page(visit: Visit):
    page = visit("permissions/")
    page.get_by_role("link", name="Add", exact=True).click()
    page.wait_for_url("**/gallery/role/")
    page.go_back()
    page.wait_for_selector(".panel", state="detached")
    assert page.locator("h1").text_content() == "Operations NL"
    page.go_forward()
    page.wait_for_selector("h1:has-text('Add role assignment')")
    page.reload()
    assert page.locator("h1").text_content() == "Add role assignment"


def test_what_was_typed_in_a_panel_is_not_lost_without_asking(visit: Visit):
    page = visit("permissions/")
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    page.get_by_role("link", name="Add", exact=True).click()
    page.wait_for_selector(".panel")
    page.get_by_label("E-mail").fill("somebody@alfa.example")
    page.get_by_role("button", name="Close panel").click()
    assert asked == ["Leave without saving? What you typed is lost."]
    assert page.get_by_label("E-mail").input_value() == "somebody@alfa.example"


def test_a_refused_panel_keeps_what_was_typed_and_takes_the_focus_to_the_summary(visit: Visit):
    page = visit("permissions/")
    page.get_by_role("link", name="Add", exact=True).click()
    page.wait_for_selector(".panel")
    page.get_by_label("E-mail").fill("nonsense")
    page.get_by_role("button", name="Save").click()
    page.wait_for_selector(".panel .err-sum")
    assert page.get_by_label("E-mail").input_value() == "nonsense"
    assert page.evaluate("document.activeElement.className") == "err-sum"
    assert page.locator("h1").text_content() == "Operations NL"
    page.get_by_role("link", name="E-mail: Enter a valid email address.").click()
    assert focused(page) == "id_email"


def test_a_panel_that_saves_leads_to_its_page_with_the_message(visit: Visit):
    page = visit("permissions/")
    page.get_by_role("link", name="Add", exact=True).click()
    page.wait_for_selector(".panel")
    page.get_by_label("E-mail").fill("tom@alfa.example")
    page.get_by_role("button", name="Save").click()
    page.wait_for_selector(".note-toast")
    assert page.locator(".note-toast").text_content().strip() == "tom@alfa.example has a role now."
    assert page.locator(".panel").count() == 0
    page.get_by_role("button", name="Dismiss").click()
    assert page.locator(".note-toast").count() == 0


def test_a_panel_without_scripts_is_a_page_and_works(visit: Visit):
    page = visit("permissions/", java_script_enabled=False)
    page.get_by_role("link", name="Add", exact=True).click()
    page.get_by_label("E-mail").fill("tom@alfa.example")
    page.get_by_role("button", name="Save").click()
    assert page.locator("h1").text_content() == "Operations NL"
    assert "tom@alfa.example has a role now." in page.locator(".toasts").text_content()


# --- The frame ------------------------------------------------------------------------------------


@pytest.mark.parametrize("scripts", [True, False])
def test_the_navigation_of_a_phone_opens_and_closes(visit: Visit, scripts: bool):
    page = visit("home/", PHONE, java_script_enabled=scripts)
    navigation = page.locator("#navigation")
    assert not navigation.is_visible()
    page.get_by_role("button", name="Menu", exact=True).click()
    assert navigation.is_visible()
    page.keyboard.press("Escape")
    assert not navigation.is_visible()
    page.get_by_role("button", name="Menu", exact=True).click()
    navigation.get_by_role("link", name="Invoices").click()
    page.wait_for_url("**/invoices/")


@pytest.mark.parametrize("scripts", [True, False])
def test_the_account_menu_signs_out(visit: Visit, scripts: bool):
    page = visit("home/", java_script_enabled=scripts)
    assert not page.get_by_role("button", name="Sign out").is_visible()
    page.get_by_role("button", name="Account menu, Marieke de Vries").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in/login/")


def test_secondary_verbs_fold_into_a_menu_on_a_phone(visit: Visit):
    page = visit("invoices/", PHONE)
    assert page.get_by_role("link", name="Pay open invoices").is_visible()
    assert not page.get_by_role("link", name="Download all").is_visible()
    page.get_by_role("button", name="More actions").first.click()
    assert page.get_by_role("link", name="Download all").is_visible()


def test_a_slash_goes_to_the_search_unless_one_is_typing(visit: Visit):
    page = visit("address/")
    page.locator("h1").click()
    page.keyboard.press("/")
    assert focused(page) == "search"
    page.get_by_label("Street").fill("")
    page.get_by_label("Street").press("/")
    assert page.get_by_label("Street").input_value() == "/"


def test_the_first_tab_skips_to_the_content(visit: Visit):
    page = visit("home/")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert focused(page) == "main"


def test_a_locked_control_says_why_by_keyboard_and_by_pointer(visit: Visit):
    page = visit("parts/")
    button = page.get_by_role("button", name="Assign roles")
    tip = page.locator(".tip:popover-open")
    button.focus()
    page.keyboard.press("Enter")
    assert "Ask: Marieke de Vries, Sanne Jansen." in tip.text_content()
    page.keyboard.press("Escape")
    assert tip.count() == 0
    button.hover(force=True)
    assert tip.count() == 1
    page.locator("h1").hover()
    assert tip.count() == 0


# --- Lists and forms ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "both", "all_three"),
    [("en", "€10,829.33", "€19,769.45"), ("nl", "€\u00a010.829,33", "€\u00a019.769,45")],
)
def test_ticked_rows_are_summed_as_the_server_writes_money(visit: Visit, language: str, both: str, all_three: str):
    page = visit(f"invoices/?lang={language}")
    total, number = page.locator("[data-selection-total]"), page.locator("[data-selection-count]")
    assert (total.text_content(), number.text_content()) == (both, "2")
    page.get_by_label("Select G000118402").check()
    assert (total.text_content(), number.text_content()) == (all_three, "3")
    page.get_by_label("Select all payable invoices").uncheck()
    assert not page.locator(".selbar").is_visible()
    page.get_by_label("Select all payable invoices").check()
    assert number.text_content() == "3"
    assert page.locator("tr.is-selected").count() == 3


def test_a_filter_applies_itself_and_without_scripts_by_its_button(visit: Visit):
    page = visit("invoices/")
    assert not page.get_by_role("button", name="Apply").is_visible()
    page.get_by_label("Profile").select_option("1")
    page.wait_for_url("**profile=1**")
    bare = visit("invoices/", java_script_enabled=False)
    bare.get_by_label("Profile").select_option("1")
    bare.get_by_role("button", name="Apply").click()
    bare.wait_for_url("**profile=1**")


def test_leaving_a_changed_form_asks(visit: Visit):
    page = visit("address/")
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.get_by_role("link", name="Invoices", exact=True).click()
    page.wait_for_url("**/invoices/")
    assert asked == []
    page.go_back()
    page.get_by_label("City").fill("Utrecht")
    assert page.get_by_text("Unsaved changes").is_visible()
    page.get_by_role("link", name="Invoices", exact=True).click()
    page.wait_for_url("**/invoices/")
    assert asked == ["beforeunload"]


def test_the_summary_of_errors_has_the_focus_when_the_page_opens(visit: Visit):
    page = visit("address/")
    assert page.evaluate("document.activeElement.className") == "err-sum"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert focused(page) == "id_postcode"


def test_a_value_can_be_copied(visit: Visit):
    page = visit("parts/", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy the IBAN").click()
    page.wait_for_selector(".note-toast:has-text('Copied')")
    assert page.evaluate("navigator.clipboard.readText()") == "NL91 ABNA 0417 1643 00"


def test_the_chart_has_its_table(visit: Visit):
    page = visit("home/", java_script_enabled=False)
    assert not page.get_by_role("table", name="Invoiced per month by product").is_visible()
    page.get_by_text("Show as table").click()
    table = page.get_by_role("table", name="Invoiced per month by product")
    assert table.get_by_role("row").count() == 13
    assert "€12,967.50" in table.text_content()


def test_nothing_moves_while_a_page_loads(visit: Visit):
    page = visit("home/")
    page.wait_for_load_state("networkidle")
    shift = page.evaluate(
        """() => new Promise((done) => new PerformanceObserver((list) =>
            done(list.getEntries().reduce((sum, entry) => sum + entry.value, 0))
        ).observe({type: "layout-shift", buffered: true}) || setTimeout(() => done(0), 500))"""
    )
    assert shift < 0.01
