"""Sabotage (Q5): take each permission check away, one at a time, and see that a test fails.

    python -m billing_portal.tests.sabotage [--only routes calls table] [--like TEXT] [tests …]

With DATABASE_URL set as for the tests, and run by hand: no suite does it. Without paths it takes the tests of every
app. Three kinds of checks are taken away; the calls need a first pass, routes and table do not:

- routes: `@requires` of every route, for GET and for POST: the right ("whoever sees it may"), and the whole guard
  ("whoever has signed in may"). What is run is that route of the matrix, as the suite runs it by default.
- calls: every `demand`, `may`, `may_somewhere` and `allowing` elsewhere. A first pass runs the tests once and notes
  who comes by which call; those that came by, the quickest first, then run without it.
- table: every row of the table is widened to all roles.

Nothing is written: the checks are replaced in this process. Prints a table and ends with 1 where a check can go
without a test failing.
"""

import argparse
import ast
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from types import FrameType
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

ROOT = Path(__file__).resolve().parent.parent.parent
APPS = ("accounts", "profiles", "subscriptions", "invoices", "payments", "support", "billing_portal", "core")
CHECKS = ("demand", "may", "may_somewhere", "allowing")
# Tests that are about other things and take long.
LEFT_OUT = ("journeys", "test_fuzz", "test_dev", "test_celery", "test_operations", "test_crash", "test_fault", "/demo/")
MATRIX = "billing_portal/tests/test_routes.py"
TABLE_TESTS = ("billing_portal/tests/test_docs.py::test_the_table_of_rights_is_written_down",)
# Calls that decide nothing, each with the reason.
NOT_A_CHECK = {
    "core/templatetags/ui.py": "draws a control or its locked twin; the page behind it has its own guard",
    "billing_portal/tests": "the tests themselves",
}


@dataclass(frozen=True)
class Site:
    """One check: a call in a file, or the guard of a route for one method."""

    kind: str
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind:7}{self.where:62}{self.what}"


@dataclass
class Verdict:
    site: Site
    outcome: str  # killed, survived, unreached, same
    by: str = ""


# --- Taking a check away ------------------------------------------------------------------------------


class Checks:
    """Stands in the place of the functions of the policy: notes who asks, and lets one of them always through."""

    def __init__(self) -> None:
        self._absent: Site | None = None
        self.on_call: Callable[[Site], None] = lambda site: None
        self.on_absence: Callable[[Site | None], None] = lambda absent: None

    @property
    def absent(self) -> Site | None:
        """The check that is taken away just now."""
        return self._absent

    @absent.setter
    def absent(self, site: Site | None) -> None:
        self._absent = site
        self.on_absence(site)

    def install(self) -> None:
        from core import policy  # noqa: PLC0415 Django is set up by then

        for name in ("demand", "may", "may_somewhere"):
            self._replace(policy, name)
        original = policy.PolicyQuerySet.allowing

        def allowing(rows: Any, user: Any, action: Any) -> Any:
            site = self._caller("allowing", sys._getframe(1))
            return rows.all() if site is not None and site == self.absent else original(rows, user, action)

        policy.PolicyQuerySet.allowing = allowing  # type: ignore[method-assign]
        load = policy._load

        def loading(user: Any, model: Any, code: str) -> Any:
            request = sys._getframe(1).f_locals.get("request")
            if request is not None and self.absent == Site("route", _route_of(request), "guard"):
                found = model._default_manager.filter(code=code).first()
                if found is not None:
                    return found
            return load(user, model, code)

        policy._load = loading

    def _replace(self, policy: Any, name: str) -> None:
        """Everybody has imported the function itself, so its code is exchanged and not the name."""
        function = getattr(policy, name)
        original = type(function)(function.__code__, function.__globals__, name, function.__defaults__)
        policy.__dict__[f"_sabotaged_{name}"] = lambda *given: self._ask(name, original, given)
        shims = {
            "demand": "def demand(user, action, obj): return _sabotaged_demand(user, action, obj)",
            "may": "def may(user, action, obj, book=None): return _sabotaged_may(user, action, obj, book)",
            "may_somewhere": (
                "def may_somewhere(user, action, account, book=None): "
                "return _sabotaged_may_somewhere(user, action, account, book)"
            ),
        }
        made: dict[str, Any] = {}
        exec(compile(shims[name], f"<{name}>", "exec"), policy.__dict__, made)  # noqa: S102 three lines of our own
        function.__code__ = made[name].__code__

    def _ask(self, name: str, original: Callable[..., Any], given: tuple[Any, ...]) -> Any:
        frame = sys._getframe(3)  # past the lambda and the shim
        if frame.f_code.co_name == "guarded":
            route = _route_of(frame.f_locals["request"])
            if self.absent in {Site("route", route, "right"), Site("route", route, "guard")}:
                return True
            return original(*given)
        site = self._caller(name, frame)
        if site is not None and site == self.absent:
            return None if name == "demand" else True
        return original(*given)

    def _caller(self, name: str, frame: FrameType | None) -> Site | None:
        """Which call this is; none of ours where the policy or a library asks."""
        while frame is not None and "site-packages" in frame.f_code.co_filename:
            frame = frame.f_back
        if frame is None or not frame.f_code.co_filename.startswith(str(ROOT)):
            return None
        path = str(Path(frame.f_code.co_filename).relative_to(ROOT))
        place = _calls_of(path).get(name, {}).get(frame.f_lineno)
        if place is None:
            return None
        site = Site("call", f"{path}:{place}", name)
        self.on_call(site)
        return site


def _route_of(request: Any) -> str:
    return f"{request.resolver_match.url_name} {request.method}"


_known: dict[str, dict[str, dict[int, int]]] = {}


def _calls_of(path: str) -> dict[str, dict[int, int]]:
    """For each check the lines that its calls in the file span, and the line on which each begins."""
    if path not in _known:
        found: dict[str, dict[int, int]] = defaultdict(dict)
        is_ours = path != "core/policy.py" and not {"tests", "migrations"} & set(Path(path).parts)
        tree = ast.parse((ROOT / path).read_text()) if is_ours else ast.Module([], [])
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if name in CHECKS and (name == "allowing") == isinstance(node.func, ast.Attribute):
                first = node.func.end_lineno or node.lineno
                for line in range(node.lineno, (node.end_lineno or node.lineno) + 1):
                    found[name].setdefault(line, first)
        _known[path] = found
    return _known[path]


def all_calls() -> list[Site]:
    sites = set()
    for app in APPS:
        for file in sorted((ROOT / app).rglob("*.py")):
            path = str(file.relative_to(ROOT))
            if not any(path.startswith(each) for each in NOT_A_CHECK):
                for name, lines in _calls_of(path).items():
                    sites |= {Site("call", f"{path}:{line}", name) for line in set(lines.values())}
    return sorted(sites, key=str)


# --- Running --------------------------------------------------------------------------------------------


class Sabotage:
    """The plugin of pytest that runs the tests once, and then those concerned once per check."""

    def __init__(self, only: Iterable[str], like: str = "") -> None:
        self.only = set(only)
        self.like = like
        self.checks = Checks()
        self.verdicts: list[Verdict] = []
        self.came_by: dict[Site, list[tuple[float, pytest.Item]]] = defaultdict(list)
        self.by_module: dict[Any, list[pytest.Item]] = defaultdict(list)

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        items[:] = [
            item
            for item in items
            if not item.get_closest_marker("browser")
            and not item.get_closest_marker("engine")
            and not any(each in item.nodeid for each in LEFT_OUT)
        ]

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.checks.install()
        for item in session.items:
            self.by_module[item.getparent(pytest.Module)].append(item)
        if "routes" in self.only:
            self._routes(session)
        if "table" in self.only:
            self._table(session)
        if "calls" in self.only:
            self._calls(session)
        return True

    def _routes(self, session: pytest.Session) -> None:
        tests = {item.callspec.params["name"]: item for item in session.items if "test_Q1_route" in item.nodeid}  # type: ignore[attr-defined]
        for name, method in routes_with_object():
            for what in ("guard", "right"):
                site = Site("route", f"{name} {method}", what)
                self._judge(site, [tests[name]] if name in tests else [])

    def _table(self, session: pytest.Session) -> None:
        from core.policy import GRANTS, Action, Role  # noqa: PLC0415 Django is set up by then

        tests = [item for item in session.items if item.nodeid in TABLE_TESTS]
        for action in Action:
            narrow, site = GRANTS[action], Site("row", action, "widened to every role")

            def widen(absent: Site | None, action: Action = action, narrow: Any = narrow, site: Site = site) -> None:
                GRANTS[action] = frozenset(Role) if absent == site else narrow

            self.checks.on_absence = widen
            self._judge(site, tests)
        self.checks.on_absence = lambda absent: None

    def _calls(self, session: pytest.Session) -> None:
        self._note(session.items)
        for site in all_calls():
            tests = [item for _seconds, item in sorted(self.came_by[site], key=lambda pair: pair[0])]
            self._judge(site, tests)

    def _note(self, items: list[pytest.Item]) -> None:
        """Run every test once, with all checks in place, and note who comes by which call."""
        for item in items:
            met: set[Site] = set()
            self.checks.on_call = met.add
            began = perf_counter()
            passed = self._passes(item)
            for site in met if passed else ():
                self.came_by[site].append((perf_counter() - began, item))
        self.checks.on_call = lambda site: None

    def _judge(self, site: Site, tests: list[pytest.Item]) -> None:
        if self.like not in str(site):
            return
        verdict = Verdict(site, "survived" if tests else "unreached")
        for item in tests:
            self.checks.absent = site
            is_missed = not self._passes(item)
            self.checks.absent = None
            # A test that fails with the check in place as well says nothing.
            if is_missed and self._passes(item):
                verdict = Verdict(site, "killed", item.name)
                break
        if verdict.outcome == "survived" and site.kind == "route" and is_same(site):
            verdict.outcome = "same"
        self.verdicts.append(verdict)
        print(f"{verdict.outcome:10}{site}  {verdict.by[:70]}", flush=True)

    def _passes(self, item: pytest.Item) -> bool:
        """Run the test by itself. What it shares with its module stays for the next one, but nothing of its own."""
        module = item.getparent(pytest.Module)
        neighbours = self.by_module[module]
        following = next((each for each in neighbours if each is not item), self.first_of_another(module))
        item._initrequest()  # type: ignore[attr-defined]
        # What the one before left for its own module would fail this one, which is not what is looked for.
        item.session._setupstate.teardown_exact(item)
        reports = runtestprotocol(item, nextitem=following, log=False)
        return not any(report.failed for report in reports)

    def first_of_another(self, module: Any) -> pytest.Item | None:
        return next((items[0] for other, items in self.by_module.items() if other is not module), None)


def routes_with_object() -> Iterator[tuple[str, str]]:
    """Every route with an object, for each of the methods it answers."""
    from billing_portal.tests.test_routes import WITH_OBJECT  # noqa: PLC0415 Django is set up by then

    for _route, pattern in WITH_OBJECT:
        cells = [cell.cell_contents for view in _layers(pattern.callback) for cell in view.__closure__ or ()]
        for method in ("POST", "GET"):
            # What `require_POST` and its like let through stands in a cell of theirs.
            if not any(isinstance(cell, list) and cell and method not in cell for cell in cells):
                yield pattern.name, method


def _layers(view: Any) -> Iterator[Any]:
    while view is not None:
        yield view
        view = getattr(view, "__wrapped__", None)


def is_same(site: Site) -> bool:
    """Whether everybody who sees the object may do this anyway, so that the right adds nothing to seeing it."""
    from billing_portal.tests.test_routes import WITH_OBJECT  # noqa: PLC0415 Django is set up by then
    from core.policy import GRANTS, Action  # noqa: PLC0415

    name = site.where.split()[0]
    requirement = next(pattern.callback.requirement for _route, pattern in WITH_OBJECT if pattern.name == name)
    seen_by = GRANTS[requirement.model.POLICY.view]
    if requirement.model.POLICY.account == "":
        seen_by = GRANTS[Action.ACCOUNT_SEE]
    return site.what == "right" and seen_by <= GRANTS[requirement.action]


@contextmanager
def _quiet() -> Iterator[None]:
    import logging  # noqa: PLC0415

    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


def report(verdicts: list[Verdict]) -> int:
    """Print how many of each kind were caught, and which were not; 1 where there are such."""
    print("\nchecks            killed   same as seeing   survived   unreached")
    for kind in ("route", "call", "row"):
        counted = [verdict.outcome for verdict in verdicts if verdict.site.kind == kind]
        if counted:
            print(
                f"{kind:18}{counted.count('killed'):6}{counted.count('same'):17}"
                f"{counted.count('survived'):11}{counted.count('unreached'):12}"
            )
    left = [verdict for verdict in verdicts if verdict.outcome in {"survived", "unreached"}]
    for verdict in left:
        print(f"no test misses: {verdict.site} ({verdict.outcome})")
    return 1 if left else 0


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="sabotage", description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", choices=("routes", "calls", "table"), default=["routes", "table", "calls"])
    parser.add_argument("--like", default="", help="only checks whose line in the table has this text")
    parser.add_argument("--create-db", action="store_true", help="after a change of migrations")
    parser.add_argument("tests", nargs="*", help="where tests are looked for; everywhere")
    options = parser.parse_args(arguments)
    plugin = Sabotage(options.only, options.like)
    paths = options.tests or [MATRIX, *TABLE_TESTS, *(APPS if "calls" in options.only else ())]
    database = "--create-db" if options.create_db else "--reuse-db"
    with _quiet():
        pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:logging", "-s", database, *paths], plugins=[plugin])
    return report(plugin.verdicts)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
