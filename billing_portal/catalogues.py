"""The Dutch catalogues: what the code and the templates say, brought together without GNU gettext.

One catalogue per app (its Python and `templates/<app>/`), so that people do not meet in one file, and the
top-level `locale/` for the rest. Sorted, without line numbers and dates, so that a merge stays quiet.
"""

import ast
import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parent.parent
LANGUAGE = "nl"
PROJECT = "billing_portal"
APPS = ["core", "accounts", "profiles", "subscriptions", "invoices", "payments", "support"]
FILE = f"locale/{LANGUAGE}/LC_MESSAGES/django.po"
HEADER = """msgid ""
msgstr ""
"Language: nl\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=UTF-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"

"""
KEYWORDS = DEFAULT_KEYWORDS | {
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext_lazy": (1, 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext_lazy": ((1, "c"), 2, 3),
}
LITERAL = r"u?(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
TEMPLATE_CALL = re.compile(rf"(?:\b(n?p?gettext)|_)\(({LITERAL}(?:\s*,\s*{LITERAL})*)")

# What stands in one catalogue: context and message (with its plural, where it has one).
Key = tuple[str | None, str | tuple[str, ...]]


def catalogue_files() -> dict[str, Path]:
    """The catalogue of each app by the app's name; `billing_portal` is the top-level one."""
    return {PROJECT: ROOT / FILE} | {app: ROOT / app / FILE for app in APPS}


# --- Extraction ---------------------------------------------------------------------------------


def extracted(app: str) -> set[Key]:
    """Every message of the app's Python and templates, as it stands in the code now."""
    messages: set[Key] = set()
    for file in sources(app, ".py"):
        with file.open("rb") as stream:
            for _line, message, _comments, context in extract("python", stream, keywords=KEYWORDS):
                messages.add((context, tuple(message) if isinstance(message, (list, tuple)) else message))
    for file in [*sources(app, ".html"), *sources(app, ".txt")]:
        messages |= template_messages(file.read_text(), str(file))
    return messages


def sources(app: str, suffix: str) -> Iterator[Path]:
    """The files whose strings go into the app's catalogue: the rest of the tree is the project's."""
    if suffix == ".py":
        found: Iterable[Path] = (ROOT / app).rglob("*.py")
    elif app == PROJECT:
        found = (file for file in (ROOT / "templates").rglob(f"*{suffix}") if template_app(file) == PROJECT)
    else:
        found = (ROOT / "templates" / app).rglob(f"*{suffix}")
    return (file for file in sorted(found) if not {"tests", "migrations"} & set(file.parts))


def template_app(file: Path) -> str:
    top = file.relative_to(ROOT / "templates").parts[0]
    return top if top in APPS else PROJECT


def template_messages(source: str, origin: str) -> set[Key]:
    """The messages of one Django template: translate, blocktranslate and _("...")."""
    messages: set[Key] = set()
    for call, arguments in TEMPLATE_CALL.findall(templatize(source, origin)):
        words = ast.literal_eval(f"[{arguments}]")
        context = words.pop(0) if call in ("pgettext", "npgettext") else None
        messages.add((context, tuple(words) if call in ("ngettext", "npgettext") else words[0]))
    return messages


# --- The files ----------------------------------------------------------------------------------


def read(file: Path) -> Catalog:
    """The catalogue in that file; an empty one where there is none."""
    text = file.read_bytes() if file.exists() else HEADER.encode()
    return read_po(io.BytesIO(text), locale=LANGUAGE, domain="django")


def update(app: str, elsewhere: Iterable[Catalog] = ()) -> None:
    """Write the app's catalogue again: new messages in, unused ones out, translations kept.

    A message that another catalogue translates already takes that translation.
    """
    file = catalogue_files()[app]
    messages, old = extracted(app), read(file)
    if not messages and not file.exists():
        return
    new = Catalog(locale=LANGUAGE, domain="django")
    for context, message in messages:
        known = next(filter(None, (translation(source, (context, message)) for source in (old, *elsewhere))), None)
        new.add(message, known or ("", "") if isinstance(message, tuple) else known or "", context=context)
    file.parent.mkdir(parents=True, exist_ok=True)
    body = io.BytesIO()
    write_po(body, new, width=100, no_location=True, omit_header=True, sort_output=True)
    file.write_bytes(HEADER.encode() + body.getvalue())


def translation(catalogue: Catalog, key: Key) -> Any:
    """The translation of that message in the catalogue, or None where it has none to rely on."""
    context, message = key
    found = catalogue.get(message, context)
    return found.string if found and is_complete(found) and key_of(found) == key else None


def compile_all() -> None:
    """Build the .mo files that Django reads."""
    for file in existing_files():
        with file.with_suffix(".mo").open("wb") as built:
            write_mo(built, read(file))


def existing_files() -> list[Path]:
    return [file for file in catalogue_files().values() if file.exists()]


# --- What is wrong ------------------------------------------------------------------------------


def problems() -> Iterator[str]:
    """One sentence per thing that keeps the Dutch portal from being whole."""
    dutch: dict[Key, tuple[Any, str]] = {}
    for app, file in catalogue_files().items():
        name, catalogue, wanted = file.relative_to(ROOT), read(file), extracted(app)
        entries = {key_of(message): message for message in catalogue if message.id}
        for key in sorted(wanted - entries.keys(), key=str):
            yield f"{name}: lacks {key[1]!r}; run dev.py translations"
        for key in sorted(entries.keys() - wanted, key=str):
            yield f"{name}: has {key[1]!r}, which the code does not say any more; run dev.py translations"
        for key, message in entries.items():
            if message.fuzzy:
                yield f"{name}: {message.id!r} is marked fuzzy; read it and remove the mark"
            if not is_complete(message):
                yield f"{name}: {message.id!r} has no Dutch"
                continue
            for error in message.check(catalogue):
                yield f"{name}: {message.id!r}: {error}"
            other, where = dutch.setdefault(key, (message.string, str(name)))
            if other != message.string:
                yield f"{name}: {message.id!r} is {message.string!r} here and {other!r} in {where}"


def key_of(message: Message) -> Key:
    return message.context, tuple(message.id) if isinstance(message.id, list | tuple) else message.id


def is_complete(message: Message) -> bool:
    strings = message.string if isinstance(message.string, list | tuple) else [message.string]
    return bool(strings) and all(strings) and not message.fuzzy
