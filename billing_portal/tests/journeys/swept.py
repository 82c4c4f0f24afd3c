"""What a sweep gathers: the people, and the addresses that they open."""

from dataclasses import dataclass, field
from typing import Any

from django.urls import reverse

from accounts.models import User

# A name that does not fit on a phone, with nowhere to break it.
LONG = "Hottentottententententoonstellingsmakersopleidingsprogramma Noord-Oost-Nederland B.V."


@dataclass
class Pages:
    """The people, and for each route the addresses with the person who may do most there."""

    people: dict[str, User] = field(default_factory=dict)
    addresses: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, actor: str, name: str, *args: Any, query: str = "") -> None:
        """`actor` opens the route `name`."""
        self.addresses.append((actor, name, reverse(name, args=args) + query))
