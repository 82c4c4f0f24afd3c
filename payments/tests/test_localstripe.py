"""A smoke run of the adapter against localstripe, which somebody else wrote to behave like Stripe.

It needs packages of its own and listens on every interface, so it runs with `--long` only, in a process and an
environment of its own. It has no Checkout, no mandates and no idempotency: those are in the contract.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from urllib.parse import urlencode

import pytest
from django.utils import timezone

from core.money import Money
from payments.gateways.base import ChargeOutcome, ChargeRequest, MethodGone, RefundOutcome
from payments.gateways.stripe import StripeGateway

pytestmark = [pytest.mark.django_db, pytest.mark.long(sample=0)]

VERSION = "localstripe==1.15.10"
STARTS_WITHIN, INSTALLS_WITHIN = 20, 180
# Its own test cards, as its documents list them.
GOOD, BAD = "4242424242424242", "4000000000000002"


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """localstripe's program, installed beside ours; LOCALSTRIPE names one that is there already."""
    if named := os.environ.get("LOCALSTRIPE"):
        return named
    uv = shutil.which("uv", path=f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}")
    if uv is None:
        pytest.skip("uv is not installed, so localstripe cannot be")
    place = tmp_path_factory.mktemp("localstripe")
    steps = [[uv, "venv", "-q", "-p", sys.executable, place / "env"]]
    steps.append([uv, "pip", "install", "-q", "-p", place / "env" / "bin" / "python", VERSION])
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, timeout=INSTALLS_WITHIN, check=False)
        if done.returncode:
            pytest.skip(f"{VERSION} cannot be installed here: {done.stderr.strip().splitlines()[-1:]}")
    return place / "env" / "bin" / "localstripe"


@pytest.fixture(scope="module")
def address(program, tmp_path_factory):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [program, "--port", str(port), "--from-scratch"],
        cwd=tmp_path_factory.mktemp("run"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(port, process):
    ends = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < ends and process.poll() is None:
        with socket.socket() as knock:
            knock.settimeout(0.2)
            if knock.connect_ex(("127.0.0.1", port)) == 0:
                return
    pytest.skip("localstripe does not start here")


@pytest.fixture
def gateway(address, settings):
    settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE = "sk_test_12345", address
    return StripeGateway(retries=0)


def call(address, path, **values):
    """What the person does at Stripe's page, through the API of localstripe."""
    request = urllib.request.Request(f"{address}/v1/{path}", data=urlencode(values).encode())  # noqa: S310
    request.add_header("Authorization", "Bearer sk_test_12345")
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        return json.load(answer)


def saved_card(address, customer, number):
    values = {"type": "card", "card[number]": number, "card[exp_month]": 12, "card[exp_year]": 2040, "card[cvc]": 123}
    method = call(address, "payment_methods", **values)["id"]
    call(address, f"payment_methods/{method}/attach", customer=customer)
    return method


def request_for(token, customer, key="key"):
    return ChargeRequest(key, token, customer, Money(12_100, "EUR"), "", "https://portal.example/", off_session=True)


def test_localstripe_takes_gives_back_and_forgets(gateway, address):
    customer = gateway.create_customer(key="customer-1", code="A000000001")
    token = saved_card(address, customer, GOOD)

    paid = gateway.charge(request_for(token, customer))
    found = gateway.find_charge(key="key", reference=paid.reference, customer=customer, since=timezone.now())
    refund = gateway.refund(key="refund", reference=paid.reference, amount=Money(2_100, "EUR"))
    gateway.detach(token=token)
    gateway.detach(token=token)

    assert (paid.outcome, paid.amount) == (ChargeOutcome.SUCCEEDED, Money(12_100, "EUR"))
    assert found == paid
    assert refund.outcome == RefundOutcome.SUCCEEDED
    with pytest.raises(MethodGone):
        gateway.start_setup(key="change", customer=customer, return_url="https://portal.example/", token=token)


def test_localstripe_declines(gateway, address):
    customer = gateway.create_customer(key="customer-2", code="A000000002")
    unknown = gateway.charge(request_for("pm_none", customer))

    assert unknown.outcome == ChargeOutcome.FAILED
    with pytest.raises(urllib.error.HTTPError, match="402"):
        saved_card(address, customer, BAD)
