"""The components of the portal: what pages are built from. Loaded everywhere (a template builtin).

The arguments are Python signatures, so a typo fails when the template is compiled. Text arguments are
plain text unless said otherwise (escaped here); words come from the page, through `{% translate %}`
or `_("…")`. A block is written `{% name … %} … {% endname %}`.

Text
    {{ money|money }}                          Money -> €1,234.56 or € 1.234,56; None -> —
    {{ money|money_parts }}                    .sign .symbol .amount, for figures drawn by hand
    {{ date|day }} {{ date|day_short }}        20 Nov 2026 or 20-11-2026; 20 Nov or 20-11
    {{ datetime|moment }} {{ datetime|clock }} 20 Nov 2026, 14:22; 14:22
    {{ month|month }}                          core.periods.Month or date -> October 2026
    {% period start end %}                     1–31 Oct 2026 or 01-10-2026 t/m 31-10-2026
    {{ days|days_away }}                       15 -> in 15 days; 0 -> today; -5 -> 5 days late
    {{ name|initials }}                        Marieke de Vries -> MV

Small things
    {% icon name label="" %}                   a line icon; beside words without label, alone with one
    {% chip label tone="neutral" icon="" %}    tones: danger warn ok info neutral
    {% status_chip status label="" %}          a member of a core.states.Status, or a row with a status
    {% tag label %}                            a plain attribute: Default
    {% avatar name square=False pending=False %}
    {% person name sub="" pending=False %}
    {% copy value label %}                     the value with a button that copies it (with JS)

Buttons. variant: primary secondary ghost danger; size: "" sm lg
    {% link_button label href icon="" variant="secondary" size="" panel=False name="" block=False %}
                                               name: what a screen reader hears; panel: opens at the right
    {% submit label icon="" variant="primary" size="" block=False form="" field="" value="" name="" %}
    {% post_button label action icon="" variant="secondary" size="" name="" %}   a form of one button
    {% may user "invoice:pay" invoice as can_pay %}
    {% verb label href action obj icon="" variant="secondary" size="" panel=False name="" %}
                                               link_button for who may; for others the same thing
                                               locked, naming the roles and people who may
    {% locked label action obj icon="" size="" people=None reason="" name="" %}
                                               the locked thing itself. It reads the people with a query
                                               per scope: on lists pass people, or place it once above
    {% unavailable label reason size="" block=False %}     what nobody can use for the moment, and why
    {% more label="" %} … {% endmore %}        in block commands: verbs that fold into a menu on a phone
    {% menu label icon="dots" text="" %} … {% endmenu %}    a menu behind an icon; works without JS
    {% menu_link label href icon="" panel=False %}   {% menu_post label action icon="" danger=False %}

Frame (layouts/app.html has the blocks title crumbs heading status sub commands tabs banner content)
    {% crumb label href="" %}                  in block crumbs; the account in hand comes by itself
    {% tabs label %} {% tab label href count="" current=None %} … {% endtabs %}   current: by URL
    {% banner tone="info" href="" action="" %} sentence {% endbanner %}   may hold markup

Surfaces
    {% box title="" sub="" aside="" pad=True hidden_title=False id="" %} … {% endbox %}
                                               pad=False for a table or a list; a box needs a title
    {% box_foot %} … {% endbox_foot %}         last in a box with pad=False
    {% stats label %} {% stat label value sub="" %} … {% endstats %}       four at most
    {% facts variant="" %} {% fact label value sum=False %} … {% endfacts %}
                                               variants: strip money tight; {% fact_of label %}markup{% endfact_of %}
    {% empty_state title text icon="document" href="" action="" %}
    {% todo_list %} {% todo icon title text href action tone="neutral" amount=None lead=False %} … {% endtodo_list %}
    {% blockers %} {% blocker title sub="" href="" action="" met=False icon="" name="" %} … {% endblockers %}
    {% steps items %}                          numbered sentences
    {% caps %} {% cap text yes=True %} … {% endcaps %}     what a role can and cannot
    {% timeline %} {% event at text tone="" %} … {% endtimeline %}       at: datetime; tones: ok bad
    {% why_chain title links note="" %}        links: [(what, value), …]; note may be markup

Lists. Rows are written by hand: <tr role="row">, <td role="cell" data-label="Due">, classes n amount
sub dt-title dt-status dt-lo dt-md dt-plain dt-inline dt-r2 dt-r3 act check grp total; rows is-selected
is-changed is-void (mock/README.md)
    {% data_table caption cards=True %} <thead role="rowgroup">…<tbody role="rowgroup">… {% enddata_table %}
    {% th label css="" hidden=False %}         a column header; hidden: for screen readers only
    {% sort_th label key css="" %}             the same, sorts by ?sort=key or -key
    {% pager text newer="" older="" %}         newer and older: addresses
    {% filters label action="" %} … {% endfilters %}       a GET form; selects apply themselves with JS
    {% segments label %} {% segment label href count="" current=False %} … {% endsegments %}
    {% search_field name label value="" %}
    {% filter_select name label choices value="" %}        choices: [(value, label), …]
    {% row_choice name label choices value="" %}           radio buttons in a row of a list
    {% selection_bar form currency="" %} buttons {% endselection_bar %}  sums the checked boxes of that form
                                               (data-minor on each box); without JS only the buttons
    {% querystring %} is Django's own

Forms: crispy, with core.forms.PortalFormHelper
    {% error_summary form %}                   drawn by crispy already; for forms without crispy
    {% form_actions %} {% submit … %} {% link_button … %} {% endform_actions %}
    {% control field placeholder=None %}       the bare control with its classes and ARIA

Charts: core.charts makes the geometry
    {% stacked_bars chart %}                   core.charts.StackedBars: SVG wide and narrow, legend, table
    {% age_bars rows %}                        core.charts.AgeBar rows
"""

import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from functools import cache, lru_cache
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from babel import Locale
from babel.numbers import NumberPattern, format_compact_decimal, get_currency_symbol, parse_pattern
from django import template
from django.contrib.staticfiles import finders
from django.forms import BoundField, Form, widgets
from django.template.context import Context
from django.templatetags.static import static
from django.utils import formats, timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from core import policy
from core.money import Money
from core.periods import Month

register = template.Library()

TONES = {
    "danger": "status-past-due",
    "warn": "status-due",
    "ok": "status-paid",
    "info": "status-processing",
    "neutral": "status-open",
}
# A few statuses have a shape of their own; the others take that of their tone.
STATUS_SHAPES = {
    "draft": "status-draft",
    "locked": "status-locked",
    **dict.fromkeys(("void", "closed", "cancelled", "deleted", "detached", "revoked", "skipped"), "status-void"),
    **dict.fromkeys(("failed", "declined", "bounced", "returned", "stopped"), "status-failed"),
}
BUTTONS = {
    "primary": "btn-primary",
    "secondary": "btn-secondary",
    "ghost": "btn-ghost",
    "danger": "btn-danger-quiet",
}

_NBSP = "\u00a0"
_MINUS = "\u2212"
_ids = count(1)


# --- Text -----------------------------------------------------------------------------------------


class MoneyParts(NamedTuple):
    """A formatted amount in pieces: `sign` is a minus or empty."""

    sign: str
    symbol: str
    amount: str


@register.filter
def money(value: Money | None) -> str:
    """The amount with its currency, in the language of the page. Decimals are ISO 4217's."""
    if value is None:
        return "—"
    sign, symbol, amount = money_parts(value)
    gap = _NBSP if _locale() == "nl" or len(symbol) > 2 else ""
    return f"{sign}{symbol}{gap}{amount}"


@register.filter
def money_parts(value: Money) -> MoneyParts:
    return _money_parts(value, _locale())


@lru_cache(maxsize=1000)
def _money_parts(value: Money, language: str) -> MoneyParts:
    amount = _pattern(value.exponent).apply(abs(value.amount), _babel(language))
    return MoneyParts(_MINUS if value.minor < 0 else "", _symbol(value.currency, language), amount)


@register.filter
def day(value: date | datetime | None) -> str:
    return _formatted(_local_day(value), "DATE_FORMAT", get_language()) if value else "—"


@register.filter
def day_short(value: date | datetime | None) -> str:
    return _formatted(_local_day(value), "MONTH_DAY_FORMAT", get_language()) if value else "—"


@register.filter
def moment(value: datetime | None) -> str:
    return formats.date_format(_local(value), "DATETIME_FORMAT") if value else "—"


@register.filter
def clock(value: datetime | None) -> str:
    return formats.date_format(_local(value), "TIME_FORMAT") if value else "—"


@register.filter
def month(value: Month | date) -> str:
    return formats.date_format(value.first if isinstance(value, Month) else value, "YEAR_MONTH_FORMAT")


@register.filter
def days_away(days: int) -> str:
    """A due date seen from today: in 15 days, today, 5 days late."""
    if days > 0:
        return ngettext("in %(days)d day", "in %(days)d days", days) % {"days": days}
    if days < 0:
        return ngettext("%(days)d day late", "%(days)d days late", -days) % {"days": -days}
    return _("today")


@register.filter
def initials(name: str) -> str:
    """The first letters of the first and the last word of a person's name, or of an address."""
    return _letters(name, last=-1)


@register.simple_tag
def period(start: date, end: date) -> str:
    return _period(start, end, _locale())


@lru_cache(maxsize=1000)
def _period(start: date, end: date, language: str) -> str:
    if language == "nl":
        return f"{day(start)} t/m {day(end)}"
    if (start.year, start.month) == (end.year, end.month):
        return f"{start.day}–{day(end)}" if start != end else day(end)
    return f"{day_short(start) if start.year == end.year else day(start)} – {day(end)}"


def _letters(name: str, last: int) -> str:
    words = re.findall(r"[^\W_]+", name.split("@")[0])
    return (words[0][0] + words[last][0] if len(words) > 1 else "".join(words)[:2] or "?").upper()


@cache
def _pattern(digits: int) -> NumberPattern:
    return parse_pattern("#,##0." + "0" * digits if digits else "#,##0")


_babel = cache(Locale)


@cache
def _symbol(currency: str, language: str) -> str:
    return get_currency_symbol(currency, language)


def _locale() -> str:
    return "nl" if (get_language() or "").startswith("nl") else "en"


@lru_cache(maxsize=4000)  # a list says the same few days in every row
def _formatted(value: date, format_name: str, language: str | None) -> str:
    return formats.date_format(value, format_name)


def _local_day(value: date | datetime) -> date:
    local = _local(value)
    return local.date() if isinstance(local, datetime) else local


def _local(value: date | datetime) -> date | datetime:
    return timezone.localtime(value) if isinstance(value, datetime) and timezone.is_aware(value) else value


# --- Small things ---------------------------------------------------------------------------------


@register.simple_tag
@lru_cache(maxsize=512)
def icon(name: str, label: str = "") -> SafeString:
    return _drawn_icon(name, str(label))


@lru_cache(maxsize=1000)
def _drawn_icon(name: str, label: str) -> SafeString:
    if name not in _sprite():
        raise ValueError(f"no icon is called {name!r}")
    href = static("img/icons.svg") + "#" + name
    if label:
        return format_html(
            '<svg class="ico" role="img" aria-label="{}" focusable="false"><use href="{}"/></svg>', label, href
        )
    return format_html('<svg class="ico" aria-hidden="true" focusable="false"><use href="{}"/></svg>', href)


_icon = icon  # under a second name, since many components have an argument called icon


@register.simple_tag
def chip(label: str, tone: str = "neutral", icon: str = "") -> SafeString:
    return _drawn_chip(str(label), tone, icon)


@lru_cache(maxsize=1000)
def _drawn_chip(label: str, tone: str, icon: str) -> SafeString:
    if tone not in TONES:
        raise ValueError(f"no tone is called {tone!r}")
    return format_html('<span class="chip chip--{}">{}{}</span>', tone, _icon(icon or TONES[tone]), label)


@register.simple_tag
def status_chip(status: Any, label: str = "") -> SafeString:
    if hasattr(status, "_meta"):
        # The default of a status field is a member of its enum, which knows the tones.
        status = type(status._meta.get_field("status").default)(status.status)
    return chip(label or status.label, status.tone, STATUS_SHAPES.get(str(status), ""))


@register.simple_tag
def tag(label: str) -> SafeString:
    return format_html('<span class="tag">{}</span>', label)


@register.simple_tag
def avatar(name: str, square: bool = False, pending: bool = False) -> SafeString:
    css = "avatar" + (" avatar--sq" if square else "") + (" avatar--pending" if pending else "")
    # A company's last word says what kind of company it is; its second says which.
    return format_html('<span class="{}" aria-hidden="true">{}</span>', css, _letters(name, 1 if square else -1))


@register.simple_tag
def person(name: str, sub: str = "", pending: bool = False, note: str = "") -> SafeString:
    below = format_html_join("", '<span class="sub">{}</span>', ((line,) for line in (sub, note) if line))
    return format_html(
        '<span class="person">{}<span><b>{}</b>{}</span></span>', avatar(name, pending=pending), name, below
    )


@register.inclusion_tag("components/copy.html")
def copy(value: str, label: str) -> dict[str, Any]:
    return {"value": value, "label": label}


# --- Buttons --------------------------------------------------------------------------------------


@cache
def _button_css(variant: str, size: str = "", block: bool = False) -> str:
    css = f"btn {BUTTONS[variant]}"
    return css + (f" btn-{size}" if size else "") + (" btn-block" if block else "")


@register.simple_tag
def link_button(
    label: str,
    href: str,
    icon: str = "",
    variant: str = "secondary",
    size: str = "",
    panel: bool = False,
    name: str = "",
    block: bool = False,
) -> SafeString:
    """A link that looks like a button; `name` is what a screen reader says where the label alone is not enough."""
    said = format_html(' aria-label="{}"', name) if name else _NOTHING
    marked = _AS_PANEL if panel else _NOTHING
    drawn = _icon(icon) if icon else _NOTHING
    css = _button_css(variant, size, block)
    return format_html('<a class="{}" href="{}"{}{}>{}{}</a>', css, href, marked, said, drawn, label)


_NOTHING, _AS_PANEL = SafeString(""), SafeString(" data-panel")


@register.inclusion_tag("components/submit.html")
def submit(
    label: str,
    icon: str = "",
    variant: str = "primary",
    size: str = "",
    block: bool = False,
    form: str = "",
    field: str = "",
    value: str = "",
    name: str = "",
) -> dict[str, Any]:
    css = _button_css(variant, size, block)
    return {"label": label, "icon": icon, "css": css, "form": form, "field": field, "value": value, "name": name}


@register.inclusion_tag("components/post_button.html", takes_context=True)
def post_button(
    context: Context,
    label: str,
    action: str,
    icon: str = "",
    variant: str = "secondary",
    size: str = "",
    name: str = "",
) -> dict[str, Any]:
    css, token = _button_css(variant, size), context.get("csrf_token")
    return {"label": label, "action": action, "icon": icon, "css": css, "name": name, "csrf_token": token}


@register.simple_tag
def may(user: Any, action: str, obj: Any) -> bool:
    """Whether the person may do this with the object. An unknown action raises ValueError."""
    return policy.may(user, policy.Action(action), obj)


@register.simple_tag(takes_context=True)
def verb(
    context: Context,
    label: str,
    href: str,
    action: str,
    obj: Any,
    icon: str = "",
    variant: str = "secondary",
    size: str = "",
    panel: bool = False,
    name: str = "",
) -> SafeString:
    if may(context["user"], action, obj):
        return link_button(label, href, icon, variant, size, panel, name)
    return locked(context, label, action, obj, icon, size, name=name)


@register.simple_tag(takes_context=True)
def locked(
    context: Context,
    label: str,
    action: str,
    obj: Any,
    icon: str = "",
    size: str = "",
    people: Iterable[Any] | None = None,
    reason: str = "",
    name: str = "",
) -> SafeString:
    """A control that the person may not use: visible, disabled, and it says who may (domain §4)."""
    wanted = policy.Action(action)
    person = context.get("user")
    if person is not None and policy.is_stopped(person, wanted, obj):
        return unavailable(context, label, _("This billing account is closed. Support can open it again."), size)
    if people is None:
        people = _holders(context, wanted, obj)
    return _draw(
        context,
        "locked",
        label=label,
        icon=icon,
        css=_button_css("secondary", size),
        name=name,
        reason=reason,
        roles=_roles_in_reach(wanted, obj),
        people=people,
        id=_unique("locked"),
    )


@register.simple_tag(takes_context=True)
def unavailable(context: Context, label: str, reason: str, size: str = "", block: bool = False) -> SafeString:
    """A control that nobody can use for the moment: visible, disabled, and it says why and what to do."""
    css, id = _button_css("secondary", size, block), _unique("unavailable")
    return _draw(context, "locked", label=label, css=css, reason=reason, id=id)


def _roles_in_reach(action: policy.Action, obj: Any) -> list[policy.Role]:
    """The roles that grant it and that can be held on the object's account, profile or organisation."""
    scope = type(obj).POLICY
    kept = set()
    if scope.profile is not None:
        kept |= set(policy.PROFILE_ROLES)
    if scope.account is not None:
        kept |= {*policy.ACCOUNT_ROLES, policy.Role.ACCOUNT_ADMINISTRATOR}
    if scope.organisation is not None:
        kept |= {policy.Role.USER_ADMINISTRATOR, policy.Role.ORGANISATION_ADMINISTRATOR}
    return [role for role in policy.roles_granting(action) if role in kept]


def _holders(context: Context, action: policy.Action, obj: Any) -> list[Any]:
    """The people who may, once each and at most five; read once per request and object."""
    request = context.get("request")
    read: dict[Any, list[Any]] = request.__dict__.setdefault("_ui_holders", {}) if request else {}
    key = (action, type(obj), obj.pk)
    if key not in read:
        users = {held.user_id: held.user for held in policy.holders(action, obj)}
        read[key] = list(users.values())[:5]
    return read[key]


@register.simple_block_tag(takes_context=True)
def more(context: Context, content: str, label: str = "") -> SafeString:
    """Secondary verbs: in the bar where there is room, behind a menu on a phone (one of both is shown)."""
    if not content.strip():
        return SafeString("")
    ids = r'\b(id|for|popovertarget|aria-describedby|aria-labelledby|aria-controls)="([^"]+)"'
    folded = mark_safe(re.sub(ids, r'\1="\2-folded"', content))  # noqa: S308 (rendered by this template)
    return _draw(context, "more", content=content, folded=folded, label=label or _("More actions"), id=_unique("more"))


@register.simple_block_tag
def menu(content: str, label: str, icon: str = "dots", text: str = "") -> SafeString:
    return format_html(
        _MENU, "btn btn-secondary btn-sm" if text else "iconbtn", _unique("menu"), label, text, _icon(icon), content
    )


# Formatted and not a template, as its links are: a list has a menu in every row.
_MENU = """<span class="menu">
  <button class="{0}" type="button" popovertarget="{1}" aria-label="{2}">{3}{4}</button>
  <span class="menu-pop" id="{1}" popover>{5}</span>
</span>
"""


@register.simple_tag
def menu_link(label: str, href: str, icon: str = "", panel: bool = False) -> SafeString:
    drawn = _icon(icon) if icon else _NOTHING
    return format_html(
        '<a class="menu-item" href="{}"{}>{}{}</a>\n', href, _AS_PANEL if panel else _NOTHING, drawn, label
    )


@register.inclusion_tag("components/menu_post.html", takes_context=True)
def menu_post(context: Context, label: str, action: str, icon: str = "", danger: bool = False) -> dict[str, Any]:
    token = context.get("csrf_token")
    return {"label": label, "action": action, "icon": icon, "danger": danger, "csrf_token": token}


# --- Frame ----------------------------------------------------------------------------------------


@register.simple_tag
def crumb(label: str, href: str = "") -> SafeString:
    if href:
        return format_html('<li><a href="{}">{}</a></li>', href, label)
    return format_html('<li aria-current="page">{}</li>', label)


@register.simple_block_tag
def tabs(content: str, label: str) -> SafeString:
    return format_html('<nav class="tabs-nav" aria-label="{}"><ul class="tabs">{}</ul></nav>', label, content)


@register.simple_tag(takes_context=True)
def tab(context: Context, label: str, href: str, count: Any = "", current: bool | None = None) -> SafeString:
    if current is None:
        current = getattr(context.get("request"), "path", None) == href
    mark = mark_safe(' aria-current="page"') if current else ""
    number = format_html(' <span class="num">{}</span>', count) if count not in ("", None) else ""
    return format_html('<li><a href="{}"{}>{}{}</a></li>', href, mark, label, number)


@register.simple_block_tag(takes_context=True)
def banner(context: Context, content: str, tone: str = "info", href: str = "", action: str = "") -> SafeString:
    drawn = {"info": "info", "ok": "status-paid"}.get(tone, "status-past-due")
    return _draw(context, "banner", content=content, tone=tone, icon=drawn, href=href, action=action)


@register.simple_block_tag
def filled(content: str, css: str = "", element: str = "div") -> SafeString:
    """Wraps a block of a layout, and disappears with it where the page leaves the block empty."""
    if not content.strip():
        return SafeString("")
    return format_html("<{}{}>{}</{}>", SafeString(element), _css(css), content, SafeString(element))


# --- Surfaces -------------------------------------------------------------------------------------


@register.simple_block_tag(takes_context=True)
def box(
    context: Context,
    content: str,
    title: str,
    sub: str = "",
    aside: str = "",
    pad: bool = True,
    hidden_title: bool = False,
    id: str = "",
) -> SafeString:
    return _draw(
        context,
        "box",
        content=content,
        title=title,
        sub=sub,
        aside=aside,
        pad=pad,
        hidden_title=hidden_title,
        id=id or _unique("box"),
    )


@register.simple_block_tag
def box_foot(content: str) -> SafeString:
    return format_html('<div class="box-f">{}</div>', content)


@register.simple_block_tag
def stats(content: str, label: str) -> SafeString:
    return format_html('<section class="box" aria-label="{}"><dl class="stats">{}</dl></section>', label, content)


@register.simple_tag
def stat(label: str, value: Any, sub: str = "") -> SafeString:
    below = format_html("<dd>{}</dd>", sub) if sub else ""
    return format_html('<div class="stat"><dt>{}</dt><dd>{}</dd>{}</div>', label, value, below)


@register.simple_block_tag
def facts(content: str, variant: str = "") -> SafeString:
    return format_html('<dl class="kv{}">{}</dl>', f" kv--{variant}" if variant else "", content)


@register.simple_tag
def fact(label: str, value: Any, sum: bool = False) -> SafeString:
    css = mark_safe(' class="sum"') if sum else ""
    return format_html("<div><dt{}>{}</dt><dd{}>{}</dd></div>", css, label, css, _dash(value))


@register.simple_block_tag
def fact_of(content: str, label: str) -> SafeString:
    return format_html("<div><dt>{}</dt><dd>{}</dd></div>", label, (content.strip() and content) or "—")


def _dash(value: Any) -> Any:
    return "—" if value is None or value == "" else value


@register.inclusion_tag("components/empty_state.html")
def empty_state(title: str, text: str, icon: str = "document", href: str = "", action: str = "") -> dict[str, Any]:
    return {"title": title, "text": text, "icon": icon, "href": href, "action": action}


@register.simple_block_tag
def todo_list(content: str) -> SafeString:
    return format_html('<ul class="todo">{}</ul>', content)


@register.inclusion_tag("components/todo.html")
def todo(
    icon: str,
    title: str,
    text: str,
    href: str,
    action: str,
    tone: str = "neutral",
    amount: Money | None = None,
    lead: bool = False,
) -> dict[str, Any]:
    return {
        "icon": icon,
        "title": title,
        "text": text,
        "href": href,
        "action": action,
        "tone": tone,
        "amount": amount,
        "lead": lead,
    }


@register.simple_block_tag
def blockers(content: str) -> SafeString:
    return format_html('<ul class="blockers">{}</ul>', content)


@register.inclusion_tag("components/blocker.html")
def blocker(
    title: str, sub: str = "", href: str = "", action: str = "", met: bool = False, icon: str = "", name: str = ""
) -> dict[str, Any]:
    return {"title": title, "sub": sub, "href": href, "action": action, "met": met, "icon": icon, "name": name}


@register.inclusion_tag("components/steps.html")
def steps(items: Sequence[str]) -> dict[str, Any]:
    return {"items": items}


@register.simple_block_tag
def caps(content: str) -> SafeString:
    return format_html('<ul class="caps">{}</ul>', content)


@register.simple_tag
def cap(text: str, yes: bool = True) -> SafeString:
    if yes:
        return format_html('<li class="yes">{}<span>{}</span></li>', _icon("check"), text)
    hint = format_html('<span class="visually-hidden">{} </span>', _("Not:"))
    return format_html('<li class="no">{}<span>{}{}</span></li>', _icon("no"), hint, text)


@register.simple_block_tag
def timeline(content: str) -> SafeString:
    return format_html('<ol class="tl">{}</ol>', content)


@register.simple_tag
def event(at: datetime, text: str, tone: str = "") -> SafeString:
    css = format_html(' class="{}"', tone) if tone else ""
    written = at.isoformat(timespec="minutes")
    return format_html('<li{}><time datetime="{}">{}</time><span>{}</span></li>', css, written, clock(at), text)


@register.inclusion_tag("components/why_chain.html")
def why_chain(title: str, links: Sequence[tuple[str, str]], note: str = "") -> dict[str, Any]:
    return {"title": title, "links": links, "note": note}


# --- Lists ----------------------------------------------------------------------------------------


@register.simple_block_tag
def data_table(content: str, caption: str, cards: bool = True) -> SafeString:
    return format_html(
        '<div class="dt-wrap"><table role="table" class="dt{}"><caption class="visually-hidden">{}</caption>{}'
        "</table></div>",
        " dt--cards" if cards else "",
        caption,
        content,
    )


@register.simple_tag
def th(label: str, css: str = "", hidden: bool = False) -> SafeString:
    words = format_html('<span class="visually-hidden">{}</span>', label) if hidden else label
    return format_html('<th role="columnheader" scope="col"{}>{}</th>', _css(css), words)


@register.simple_tag(takes_context=True)
def sort_th(context: Context, label: str, key: str, css: str = "") -> SafeString:
    query = context["request"].GET.copy()
    chosen = query.get("sort", "")
    query.pop("after", None)
    query.pop("before", None)
    query["sort"] = f"-{key}" if chosen == key else key
    state = {key: "ascending", f"-{key}": "descending"}.get(chosen, "")
    mark = format_html(' aria-sort="{}"', state) if state else ""
    arrow = _icon("sort") if state else ""
    link = f"sort th-on sort--{state}" if state else "sort"
    return format_html(
        '<th role="columnheader" scope="col"{}{}><a class="{}" href="?{}">{}{}</a></th>',
        _css(css),
        mark,
        link,
        query.urlencode(),
        label,
        arrow,
    )


@register.inclusion_tag("components/pager.html")
def pager(text: str, newer: str = "", older: str = "") -> dict[str, Any]:
    return {"text": text, "newer": newer, "older": older}


@register.simple_block_tag(takes_context=True)
def filters(context: Context, content: str, label: str, action: str = "") -> SafeString:
    return _draw(context, "filters", content=content, label=label, action=action)


@register.simple_block_tag
def segments(content: str, label: str) -> SafeString:
    return format_html('<div class="seg" role="group" aria-label="{}">{}</div>', label, content)


@register.simple_tag
def segment(label: str, href: str, count: Any = "", current: bool = False) -> SafeString:
    mark = mark_safe(' aria-current="true"') if current else ""
    number = format_html(' <span class="num">{}</span>', count) if count not in ("", None) else ""
    return format_html('<a href="{}"{}>{}{}</a>', href, mark, label, number)


@register.inclusion_tag("components/search_field.html")
def search_field(name: str, label: str, value: str = "") -> dict[str, Any]:
    return {"name": name, "label": label, "value": value}


@register.inclusion_tag("components/filter_select.html")
def filter_select(name: str, label: str, choices: Iterable[tuple[str, str]], value: str = "") -> dict[str, Any]:
    return {"name": name, "label": label, "choices": choices, "value": str(value)}


@register.inclusion_tag("components/row_choice.html")
def row_choice(name: str, label: str, choices: Iterable[tuple[str, str]], value: str = "") -> dict[str, Any]:
    return {"name": name, "label": label, "choices": choices, "value": str(value)}


@register.simple_block_tag(takes_context=True)
def selection_bar(context: Context, content: str, form: str, currency: str = "") -> SafeString:
    return _draw(context, "selection_bar", content=content, form=form, currency=currency, language=_locale())


def _css(css: str) -> str:
    return format_html(' class="{}"', css) if css else ""


# --- Forms ----------------------------------------------------------------------------------------


@register.inclusion_tag("components/error_summary.html")
def error_summary(form: Form) -> dict[str, Any]:
    """Every error of the form with a link to its field; the script gives it the focus."""
    errors = [("", message) for message in form.non_field_errors()]
    for name, messages in form.errors.items():
        if name in form.fields:
            target = form[name].id_for_label or form[name].auto_id
            errors += [(target, f"{capfirst(form[name].label)}: {message}") for message in messages]
    return {"errors": errors}


@register.simple_block_tag
def form_actions(content: str) -> SafeString:
    return format_html('<div class="form-actions">{}{}</div>', content, unsaved())


@register.simple_tag
def unsaved() -> SafeString:
    """A note that the script shows once the form differs from what came."""
    return format_html('<span class="push small muted" data-unsaved hidden>{}</span>', _("Unsaved changes"))


@register.simple_tag
def control(field: BoundField, placeholder: str | None = None) -> SafeString:
    """The control alone: Bootstrap's class for its kind, and Django's own ARIA attributes."""
    widget = field.field.widget
    if isinstance(widget, widgets.CheckboxInput):
        css = "form-check-input"
    elif isinstance(widget, widgets.Select):
        css = "form-select"
    else:
        css = "form-control"
    classes = [css, widget.attrs.get("class", ""), "is-invalid" if field.errors else ""]
    attrs: dict[str, str | bool] = {"class": " ".join(filter(None, classes))}
    if placeholder is not None:
        attrs["placeholder"] = placeholder
    return field.as_widget(attrs=attrs)


# --- Charts ---------------------------------------------------------------------------------------


@register.filter
def coordinate(value: float, shift: float = 0) -> str:
    """A number for an SVG attribute: with a point in every language."""
    return f"{value + shift:.1f}"


@register.filter
def money_short(minor: int, currency: str) -> str:
    """An amount on an axis: €0, €5k, €1.5M."""
    amount = Money(minor, currency).amount
    short = format_compact_decimal(amount, locale="en", fraction_digits=1).replace("K", "k")
    symbol = _symbol(currency, _locale())
    return f"{symbol}{short.replace('.', ',') if _locale() == 'nl' else short}"


@register.filter
def month_short(value: Month) -> str:
    return formats.date_format(value.first, "M")


@register.inclusion_tag("components/stacked_bars.html")
def stacked_bars(chart: Any) -> dict[str, Any]:
    return {"chart": chart, "id": _unique("chart")}


@register.inclusion_tag("components/age_bars.html")
def age_bars(rows: Iterable[Any]) -> dict[str, Any]:
    return {"rows": rows}


# --- Helpers --------------------------------------------------------------------------------------


@cache
def _sprite() -> frozenset[str]:
    """The names of the icons: the symbols of static/img/icons.svg."""
    drawn = Path(str(finders.find("img/icons.svg"))).read_text(encoding="utf-8")
    return frozenset(re.findall(r'<symbol id="([^"]+)"', drawn))


def _unique(prefix: str) -> str:
    """An id that no other element of the page has, nor a fragment that htmx puts into it."""
    return f"{prefix}-{next(_ids)}"


def _draw(context: Context, component: str, /, **values: Any) -> SafeString:
    engine = context.template.engine  # type: ignore[union-attr]
    return engine.get_template(f"components/{component}.html").render(context.new(values))
