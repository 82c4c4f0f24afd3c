"""What a hostile or careless sender puts into a field, a query or an address (Q10).

Values are bytes as they travel, so that text which is no UTF-8 can be among them.
"""

from collections.abc import Iterable
from urllib.parse import urlencode

Pairs = tuple[tuple[str, bytes], ...]

VALUES: dict[str, tuple[bytes, ...]] = {
    "empty": (b"",),
    "missing": (),
    "spaces": (b" \t\n ",),
    "huge": (b"x" * 100_000,),
    "long digits": (b"9" * 5_000,),
    "NUL": (b"a\x00b",),
    "only NUL": (b"\x00",),
    "CRLF": (b"a\r\nBcc: everybody@evil.example\r\n\r\nhello",),
    "RTL marks": ("\u202egpj.exe\u202c\u200f\u2066".encode(),),
    "emoji": ("👩‍👩‍👧‍👦🏴‍☠️".encode(),),
    "combining marks": (("a" + "\u0301" * 1_000).encode(),),
    "expanding": ("ﬃßŉ\u1e9e\u0130".encode() * 60,),  # longer in another case or normal form
    "other digits": ("١٢٣²".encode(),),
    "control": (bytes(range(1, 32)) + b"\x7f",),
    "broken UTF-8": (b"caf\xe9\xff\xfe",),
    "half a pair": (b"\xed\xa0\x80",),
    "noncharacter": ("\uffff\U0010ffff".encode(),),
    "NaN": (b"NaN",),
    "infinity": (b"-Infinity",),
    "1e999": (b"1e999",),
    "-1": (b"-1",),
    "0": (b"0",),
    "past int4": (b"2147483648",),
    "past int8": (b"9223372036854775808",),
    "decimals": (b"0.000000000000000000001",),
    "date 0": (b"0000-00-00",),
    "last date": (b"9999-12-31",),
    "31-02": (b"31-02-2026",),
    "2026-02-31": (b"2026-02-31",),
    "first date": (b"0001-01-01",),
    "words": (b"not a number",),
    "twice": (b"1", b"2"),
    "array": (b"a", b"a\x00", b"\xff", b""),
    "JSON": (b'{"$ne": null}',),
    "lookup": (b"user__password__startswith",),
    "connector": (b"_connector",),
    "__class__": (b"__class__",),
    "format": (b"%s%n{0.__class__}{{ 7|add:7 }}",),
    "SQL": (b"' OR 1=1 --",),
    "script": (b"<script>alert(1)</script>",),
    "path": (b"../../../../etc/passwd",),
    "elsewhere": (b"//evil.example/",),
    "address in brackets": (b"http://[::1",),
    "e-mail with marks": ("é\u0301@ex\u00e4mple.\u202e".encode(),),
    "long e-mail": (b"a" * 60 + b"@" + b"b." * 120 + b"example",),
}

# Keys that no form has: what somebody would like to set (T09).
EXTRA = {
    "status": b"paid",
    "role": b"account_owner",
    "organisation": b"1",
    "organisation_id": b"1",
    "account": b"1",
    "profile": b"1",
    "amount": b"1",
    "amount_minor": b"1",
    "settled_minor": b"1",
    "currency": b"USD",
    "email_verified": b"1",
    "is_staff": b"1",
    "is_superuser": b"on",
    "id": b"1",
    "pk": b"1",
    "code": b"aaaaaaaaaaaaaaaaaaaa",
    "__class__": b"x",
    "_method": b"DELETE",
}

# Bodies that are no form, each with its content type.
BODIES: dict[str, tuple[str, bytes]] = {
    "not JSON": ("application/json", b"{"),
    "deep JSON": ("application/json", b"[" * 50_000),
    "JSON with a surrogate": ("application/json", b'{"id": "\\ud800", "type": "\\u0000"}'),
    "JSON number": ("application/json", b"1e999"),
    "JSON list": ("application/json", b"[1, null]"),
    "not UTF-8": ("application/json", b"\xff\xfe\x00"),
    "empty": ("application/x-www-form-urlencoded", b""),
    "other charset": ("application/x-www-form-urlencoded; charset=utf-7", b"a=+AHY-"),
    "unknown charset": ("application/x-www-form-urlencoded; charset=klingon", b"a=1"),
    "too many fields": ("application/x-www-form-urlencoded", b"&".join(b"a%d=1" % n for n in range(600))),
    "too large": ("application/x-www-form-urlencoded", b"a=" + b"x" * (2 * 1024 * 1024 + 1)),
    "no boundary": ("multipart/form-data", b"a"),
    "broken multipart": ("multipart/form-data; boundary=b", b"--b\r\nContent-Disposition: form-data; name=a"),
    "broken base64": (
        "multipart/form-data; boundary=b",
        b'--b\r\nContent-Disposition: form-data; name="a"\r\nContent-Transfer-Encoding: base64\r\n\r\n!\r\n--b--\r\n',
    ),
    "a file for a text": (
        "multipart/form-data; boundary=b",
        b'--b\r\nContent-Disposition: form-data; name="name"; filename="../x\x00.png"\r\n\r\nx\r\n--b--\r\n',
    ),
}

# Segments of a path. "/" and "." are not among them: they make another address.
SEGMENTS = {
    "long": b"a" * 2_000,
    "longest code": b"z" * 32,
    "upper case": b"ABCDEFGHJKMNPQRSTVWX",
    "unicode": "éé🏴éééééé".encode(),
    "broken UTF-8": b"\xff\xfe" * 8,
    "NUL": b"\x00" * 10,
    "NUL within": b"abcdefgh\x00ij",
    "past int8": b"99999999999999999999",
    "CRLF": b"aaaaaaaa\r\nSet-Cookie:x=1",
    "-1": b"-1",
    "other digits": "١٢٣".encode(),
    "SQL": b"' OR 1=1 --",
    "line end": b"abcdefghij\n",
}

# A quoted cookie may carry any byte as an octal escape.
COOKIES = {
    "NUL": '"' + r"\000" * 12 + '"',
    "NUL within": '"abcdefgh' + r"\000" + 'ij"',
    "broken UTF-8": '"' + r"\377\376" * 8 + '"',
    "long": "a" * 5_000,
    "unicode": '"é🏴ééééééé"',
    "half a signature": "eyJhIjoxfQ:1tXyZ:x",
    "JSON": "[1",
}


def encoded(pairs: Iterable[tuple[str, bytes]]) -> str:
    """A query, or the body of a form, as it travels."""
    return urlencode(list(pairs))


def instead(pairs: Pairs, name: str, values: Iterable[bytes]) -> Pairs:
    """The pairs with these values for one name, and all others as they were."""
    others = tuple(pair for pair in pairs if pair[0] != name)
    return (*others, *((name, value) for value in values))
