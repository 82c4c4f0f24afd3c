"""The rules of the house: things that may not stand in the code, looked for in the code itself.

Each rule is tried on a line that breaks it first, so that none of them can pass by looking at nothing.
"""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings

APPS = ("core", "accounts", "profiles", "subscriptions", "invoices", "payments", "support", "billing_portal")
MODULES = [
    path
    for app in APPS
    for path in sorted((settings.BASE_DIR / app).rglob("*.py"))
    if not {"migrations", "tests"} & set(path.relative_to(settings.BASE_DIR).parts)
]
TEMPLATES = sorted((settings.BASE_DIR / "templates").rglob("*.html"))

Rule = Callable[[ast.AST], Iterator[ast.AST]]


def overridden_save(tree: ast.AST) -> Iterator[ast.AST]:
    """`save` and `delete` of a model do what Django says they do. Forms have a save of their own."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and any("Model" in ast.unparse(base) for base in node.bases):
            is_form = any("Form" in ast.unparse(base) or "Admin" in ast.unparse(base) for base in node.bases)
            for item in node.body:
                if isinstance(item, ast.FunctionDef) and item.name in {"save", "delete"} and not is_form:
                    yield item


def signal(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node) in {"receiver", "post_save.connect"}:
            yield node
        if isinstance(node, ast.ImportFrom) and node.module == "django.db.models.signals":
            yield node


def swallowed_trouble(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            caught = ast.unparse(node.type) if node.type else "everything"
            if caught in {"everything", "Exception", "BaseException"}:
                yield node
        if isinstance(node, ast.Call) and ast.unparse(node) in {
            "suppress(Exception)",
            "contextlib.suppress(Exception)",
        }:
            yield node


def status_by_hand(tree: ast.AST) -> Iterator[ast.AST]:
    """Statuses are written by `core.states.move` alone."""
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, ast.Assign) else []
        for target in targets:
            if isinstance(target, ast.Attribute) and target.attr == "status":
                yield node
        is_update = isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".update")
        if is_update and any(keyword.arg == "status" for keyword in node.keywords):
            yield node


def rounding(tree: ast.AST) -> Iterator[ast.AST]:
    """Money is rounded in `core/money.py`; floats are for charts and clocks."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in {"round", "float"} or called.endswith((".quantize", ".FloatField")):
                yield node


def trusted_markup(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in {"mark_safe", "SafeString"}:
            yield node


def request_as_keywords(tree: ast.AST) -> Iterator[ast.AST]:
    """`filter(**request.GET)` would let a visitor name columns (T11)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            for keyword in node.keywords:
                if keyword.arg is None and "request." in ast.unparse(keyword.value):
                    yield node


# Rule, a line that breaks it, and the modules that may, each for the reason beside it.
RULES: list[tuple[Rule, str, set[str]]] = [
    (overridden_save, "class A(models.Model):\n    def save(self): pass", set()),
    (signal, "from django.db.models.signals import post_save", set()),
    (
        swallowed_trouble,
        "try:\n    pass\nexcept Exception:\n    pass",
        set(),
    ),
    (
        status_by_hand,
        "invoice.status = 'paid'",
        {
            "core/states.py",
            "payments/gateways/sandbox/api.py",  # another system, with rows of its own
        },
    ),
    (
        rounding,
        "round(amount)",
        {
            "core/money.py",
            "core/branding.py",  # colours
            "accounts/branding.py",  # pixels
            "core/charts.py",  # coordinates
            "core/figures.py",  # quantities and unit prices are shown to ten decimals
            "invoices/documents/worker.py",  # a time limit in seconds
            "billing_portal/logging.py",  # milliseconds
        },
    ),
    # Components that join escaped parts, and cells of Django's that get an attribute.
    (trusted_markup, "mark_safe(text)", {"core/templatetags/ui.py", "core/templatetags/staff.py"}),
    (request_as_keywords, "rows.filter(**request.GET)", set()),
]


@pytest.mark.parametrize(("rule", "broken", "allowed"), RULES, ids=[rule.__name__ for rule, _, _ in RULES])
def test_rule_of_the_house(rule: Rule, broken: str, allowed: set[str]):
    assert list(rule(ast.parse(broken))), "the rule does not see a line that breaks it"
    found = [
        f"{_name(path)}:{node.lineno}"  # type: ignore[attr-defined]
        for path in MODULES
        if _name(path) not in allowed
        for node in rule(ast.parse(path.read_text()))
    ]
    assert found == []


TEMPLATE_RULES = {
    "inline style": (re.compile(r"\sstyle=", re.IGNORECASE), '<p style="x">'),
    "inline script": (
        re.compile(r"<script(?![^>]*\ssrc=)(?![^>]*type=\"application/json\")|\son[a-z]+=|javascript:", re.IGNORECASE),
        "<script>x</script>",
    ),
    "trusted text": (re.compile(r"\|\s*safe\b|{%\s*autoescape off"), "{{ name|safe }}"),
    "raw control": (re.compile(r"<(select|textarea)\b"), "<select>"),
}
# Where a rule does not apply, and why.
TEMPLATE_EXCEPTIONS = {
    "inline style": {"emails/"},  # mail programs read no style sheets; the pages' policy does not reach them
    "trusted text": {"bootstrap5/"},  # help texts and fields that forms of ours have drawn
    "raw control": {"components/", "bootstrap5/"},  # the components themselves
}


@pytest.mark.parametrize("rule", TEMPLATE_RULES)
def test_rule_of_the_templates(rule: str):
    pattern, broken = TEMPLATE_RULES[rule]
    assert pattern.search(broken), "the rule does not see a line that breaks it"
    found = [
        f"{path.relative_to(settings.BASE_DIR / 'templates')}:{number}"
        for path in TEMPLATES
        if not str(path.relative_to(settings.BASE_DIR / "templates")).startswith(
            tuple(TEMPLATE_EXCEPTIONS.get(rule, ())) or ("\0",)
        )
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if pattern.search(line)
    ]
    assert found == []


def test_there_is_something_to_look_at():
    assert len(MODULES) > 50
    assert len(TEMPLATES) > 30


def _name(path: Path) -> str:
    return str(path.relative_to(settings.BASE_DIR))
