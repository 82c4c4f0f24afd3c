"""Of one product, currency and term one price counts at a time: the database holds it, whoever writes."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import date

import pytest
from django.db import IntegrityError, connection, transaction

from subscriptions.models import Price
from subscriptions.tests.factories import PriceFactory, ProductFactory

pytestmark = pytest.mark.django_db


def commit() -> None:
    """Ask now what is asked at the commit."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


@pytest.mark.parametrize(
    ("values", "fits"),
    [
        ({"valid_from": date(2026, 12, 31)}, False),
        ({"valid_from": date(2027, 1, 1)}, True),
        ({"valid_until": date(2024, 1, 1), "valid_from": date(2023, 1, 1)}, False),
        ({"valid_until": date(2023, 12, 31), "valid_from": date(2023, 1, 1)}, True),
        ({"valid_from": date(2025, 1, 1), "valid_until": date(2025, 1, 1)}, False),
        ({"valid_from": date(2025, 1, 1), "term": "yearly"}, True),
        ({"valid_from": date(2025, 1, 1), "currency": "USD"}, True),
    ],
)
def test_of_one_product_currency_and_term_one_price_counts_at_a_time(values, fits):
    price = PriceFactory(valid_from=date(2024, 1, 1), valid_until=date(2026, 12, 31))

    with nullcontext() if fits else pytest.raises(IntegrityError, match="count on the same day"), transaction.atomic():
        PriceFactory(product=price.product, **values)
        commit()

    assert Price.objects.count() == 1 + fits


@pytest.mark.django_db(transaction=True)
def test_two_prices_at_once_of_which_one_fits():
    """The second waits for the first, and is then asked."""
    product = ProductFactory()
    begun = threading.Barrier(2)

    def add(day: date) -> str:
        try:
            with transaction.atomic():
                PriceFactory(product=product, valid_from=day)
                begun.wait(timeout=20)
        except IntegrityError:
            return "refused"
        finally:
            connection.close()
        return "added"

    with ThreadPoolExecutor(2) as pool:
        said = sorted(pool.map(add, [date(2026, 1, 1), date(2026, 2, 1)]))

    assert (said, Price.objects.count()) == (["added", "refused"], 1)


def test_a_price_is_ended_after_the_next_one_was_begun():
    price = PriceFactory()
    PriceFactory(product=price.product, valid_from=date(2027, 1, 1))
    Price.objects.filter(pk=price.pk).update(valid_until=date(2026, 12, 31))
    commit()
    assert Price.objects.count() == 2
