"""Components: what they write, and what they refuse."""

import re
from datetime import UTC, date, datetime

import pytest
from django.conf import settings
from django.template import Context, Template, TemplateSyntaxError
from django.utils import translation

from core.money import Money
from core.periods import Month
from core.policy import Action, Role, RoleBook, Scope
from core.states import Status


class Person:
    """Somebody as the policy sees them."""

    is_authenticated = is_active = True

    def __init__(self, role: Role) -> None:
        self._role_book = RoleBook(accounts={1: {role}})


class Account:
    """A row that hangs on an account, without a table."""

    POLICY = Scope(view=Action.ACCOUNT_SEE, account="")
    pk = 1


class Light(Status):
    GREEN = "green", "Green"
    LOCKED = "locked", "Locked"

    __tones__ = {"green": "ok", "locked": "neutral"}


def drawn(source: str, **values: object) -> str:
    """The template, with its white space folded."""
    return re.sub(r"\s+", " ", Template(source).render(Context(values))).strip()


@pytest.mark.parametrize(
    ("language", "money", "shown"),
    [
        ("en", Money(123456789, "EUR"), "€1,234,567.89"),
        ("nl", Money(123456789, "EUR"), "€\u00a01.234.567,89"),
        ("en", Money(-20000, "EUR"), "\u2212€200.00"),
        ("nl", Money(-20000, "EUR"), "\u2212€\u00a0200,00"),
        ("en", Money(1234, "JPY"), "¥1,234"),
        ("en", Money(1234567, "KWD"), "KWD\u00a01,234.567"),
        # Babel writes the rial without decimals and ISO 4217 with three.
        ("en", Money(1234567, "IQD"), "IQD\u00a01,234.567"),
        ("nl", Money(500, "USD"), "US$\u00a05,00"),
    ],
)
def test_money_is_written_in_the_language_of_the_page(language: str, money: Money, shown: str):
    with translation.override(language):
        assert drawn("{{ money|money }}", money=money) == shown.replace("\u00a0", " ")
        assert Template("{{ money|money }}").render(Context({"money": money})) == shown


def test_money_that_is_not_there_is_a_dash():
    assert drawn("{{ money|money }}", money=None) == "—"


def test_money_parts_keep_the_sign_apart():
    parts = drawn(
        "{% with m=money|money_parts %}{{ m.sign }}|{{ m.symbol }}|{{ m.amount }}{% endwith %}",
        money=Money(-150, "EUR"),
    )
    assert parts == "\u2212|€|1.50"


@pytest.mark.parametrize(
    ("language", "shown"),
    [
        ("en", "20 Nov 2026|20 Nov|20 Nov 2026, 14:22|14:22|November 2026|1–30 Nov 2026"),
        ("nl", "20-11-2026|20-11|20-11-2026 14:22|14:22|november 2026|01-11-2026 t/m 30-11-2026"),
    ],
)
def test_dates_are_written_in_the_language_of_the_page(language: str, shown: str):
    source = "{{ day|day }}|{{ day|day_short }}|{{ at|moment }}|{{ at|clock }}|{{ month|month }}|"
    source += "{% period month.first month.last %}"
    with translation.override(language):
        text = drawn(
            source, day=date(2026, 11, 20), at=datetime(2026, 11, 20, 14, 22, tzinfo=UTC), month=Month(2026, 11)
        )
    assert text == shown


@pytest.mark.parametrize(
    ("first", "last", "shown"),
    [
        (date(2026, 10, 28), date(2026, 11, 3), "28 Oct – 3 Nov 2026"),
        (date(2025, 12, 28), date(2026, 1, 3), "28 Dec 2025 – 3 Jan 2026"),
        (date(2026, 10, 1), date(2026, 10, 1), "1 Oct 2026"),
    ],
)
def test_a_period_names_month_and_year_once(first: date, last: date, shown: str):
    assert drawn("{% period first last %}", first=first, last=last) == shown


@pytest.mark.parametrize(
    ("days", "shown"), [(15, "in 15 days"), (1, "in 1 day"), (0, "today"), (-1, "1 day late"), (-5, "5 days late")]
)
def test_a_due_date_is_told_from_today(days: int, shown: str):
    assert drawn("{{ days|days_away }}", days=days) == shown


@pytest.mark.parametrize(
    ("name", "letters"),
    [("Marieke de Vries", "MV"), ("p.smit@boekhoudpunt.nl", "PS"), ("Cher", "CH"), ("", "?"), ("李", "李")],
)
def test_initials(name: str, letters: str):
    assert drawn("{{ name|initials }}", name=name) == letters


def test_a_company_shows_its_first_two_words():
    assert ">AL<" in drawn('{% avatar "Alfa Logistiek B.V." square=True %}')


def test_an_icon_alone_has_a_name_and_beside_words_is_silent():
    assert 'role="img" aria-label="Search"' in drawn('{% icon "search" "Search" %}')
    assert 'aria-hidden="true"' in drawn('{% icon "search" %}')


def test_an_unknown_icon_tone_action_or_argument_is_an_error():
    for source, error in [
        ('{% icon "unicorn" %}', ValueError),
        ('{% chip "Due" "purple" %}', ValueError),
        ('{% may user "invoice:frame" account as x %}', ValueError),
        ('{% link_button "Pay" "#" varriant="primary" %}', TemplateSyntaxError),
        ('{% link_button "Pay" "#" variant="loud" %}', KeyError),
    ]:
        with pytest.raises(error):
            drawn(source, user=Person(Role.ACCOUNT_OWNER), account=Account())


def test_every_icon_that_a_template_names_exists():
    named = set()
    for file in (settings.BASE_DIR / "templates").rglob("*.html"):
        named |= set(re.findall(r'{% icon "([a-z-]+)"', file.read_text()))
    assert len(named) > 10
    for name in named:
        drawn("{% icon name %}", name=name)


def test_a_status_is_a_shape_and_a_word_and_a_tone():
    green = drawn("{% status_chip status %}", status=Light.GREEN)
    locked = drawn("{% status_chip status %}", status=Light.LOCKED)
    assert 'class="chip chip--ok"' in green
    assert "#status-paid" in green
    assert ">Green<" in green
    assert "#status-locked" in locked


def test_what_a_page_passes_is_escaped():
    evil = "<script>alert(1)</script>"
    for source in [
        "{% chip evil %}",
        "{% tag evil %}",
        "{% person evil evil %}",
        "{% link_button evil '#' %}",
        "{% crumb evil %}",
        "{% box evil %}{{ evil }}{% endbox %}",
        "{% facts %}{% fact evil evil %}{% endfacts %}",
        "{% empty_state evil evil %}",
        "{% todo 'card' evil evil '#' evil %}",
        "{% blocker evil evil '#' evil %}",
        "{% banner %}{{ evil }}{% endbanner %}",
        "{% why_chain evil links evil %}",
        "{% data_table evil %}{% enddata_table %}",
        "{% copy evil evil %}",
        "{% th evil %}",
        "{% icon 'search' evil %}",
        "{% menu evil text=evil %}{% menu_link evil '#' %}{% endmenu %}",
        "{% filter_select 'a' evil choices %}",
        "{% search_field 'q' evil evil %}",
    ]:
        text = drawn(source, evil=evil, links=[(evil, evil)], choices=[(evil, evil)])
        assert "<script" not in text, source
        assert "&lt;script" in text, source


def test_a_verb_is_a_link_for_who_may_and_locked_for_others():
    source = '{% verb "Assign" "/roles/" "account:assign_roles" account %}'
    owner = drawn(source, user=Person(Role.ACCOUNT_OWNER), account=Account())
    assert '<a class="btn btn-secondary" href="/roles/"' in owner


def test_a_locked_control_names_the_roles_and_the_people():
    text = drawn(
        '{% locked "Assign" "account:assign_roles" account people=people %}', account=Account(), people=["Marieke"]
    )
    described = re.search(r'aria-describedby="([^"]+)"', text)
    assert described
    assert f'id="{described[1]}"' in text
    assert f'popovertarget="{described[1]}"' in text
    assert 'aria-disabled="true"' in text
    assert "Who may: Billing account owner." in text
    assert "Ask: Marieke." in text


def test_a_locked_control_says_when_nobody_may():
    text = drawn('{% locked "Assign" "account:assign_roles" account people=people %}', account=Account(), people=[])
    assert "Nobody has one of these roles here at the moment." in text


def test_may_asks_the_policy():
    source = '{% may user "account:assign_roles" account as can %}{{ can }}'
    assert drawn(source, user=Person(Role.ACCOUNT_OWNER), account=Account()) == "True"
    assert drawn(source, user=Person(Role.ACCOUNT_READER), account=Account()) == "False"


def test_folded_verbs_have_ids_of_their_own():
    text = drawn(
        '{% more %}{% locked "Remove" "account:assign_roles" account people=people %}{% endmore %}',
        account=Account(),
        people=["Tom"],
    )
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids)) == 3
    for target in re.findall(r'(?:popovertarget|aria-describedby)="([^"]+)"', text):
        assert target in ids


def test_what_is_empty_leaves_no_trace():
    assert drawn('{% filled css="cmdbar" %} {% endfilled %}{% more %} {% endmore %}') == ""


def test_a_tab_is_current_by_its_address(rf):
    text = drawn(
        '{% tabs "Profile" %}{% tab "Overview" "/a/" %}{% tab "Roles" "/b/" count=0 %}{% endtabs %}',
        request=rf.get("/b/"),
    )
    assert '<a href="/a/">Overview</a>' in text
    assert '<a href="/b/" aria-current="page">Roles <span class="num">0</span></a>' in text


def test_a_column_sorts_both_ways_and_starts_again_at_page_one(rf):
    request = rf.get("/", {"q": "alfa", "after": "x", "sort": "issued"})
    text = drawn('{% sort_th "Date" "issued" %}', request=request)
    assert 'aria-sort="ascending"' in text
    assert 'href="?q=alfa&amp;sort=-issued"' in text
    assert "aria-sort" not in drawn('{% sort_th "Amount" "total" %}', request=request)


def test_a_select_keeps_what_was_chosen():
    text = drawn('{% filter_select "profile" "Profile" choices 2 %}', choices=[(1, "One"), (2, "Two")])
    assert '<option value="2" selected>Two</option>' in text
    assert '<option value="1">One</option>' in text
