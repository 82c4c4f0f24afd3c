"""Forms: how they are drawn, and what the shared fields refuse."""

import re

import pytest
from crispy_forms.utils import render_crispy_form
from django import forms
from django.test import RequestFactory
from django.utils import translation

from core.forms import ChoiceCardsField, Grid, MoneyField, Note, PortalFormHelper, Section, posted
from core.money import Money


class Sample(forms.Form):
    name = forms.CharField(label="Name", help_text="As on the <b>door</b>.")
    note = forms.CharField(label="Note", required=False)
    agreed = forms.BooleanField(label="Agreed")
    role = ChoiceCardsField(
        label="Role",
        rows=[("reader", "Reader", "See everything"), ("owner", "Owner", "Do everything")],
        marks={"owner": "BOSS"},
        refusals={"owner": "There is an owner already."},
    )

    def clean(self) -> None:
        if self.cleaned_data.get("name") == "nobody":
            raise forms.ValidationError("Nobody is not somebody.")


def drawn(form: forms.Form, helper: PortalFormHelper) -> str:
    return re.sub(r"\s+", " ", render_crispy_form(form, helper, {"csrf_token": "token"}))


def test_posted_is_the_data_of_a_post_only():
    factory = RequestFactory()
    assert posted(factory.get("/", {"a": "1"})) is None
    assert posted(factory.post("/", {"a": "1"}))["a"] == "1"
    assert posted(factory.post("/")) is not None


def test_a_field_is_tied_to_its_label_help_and_error():
    text = drawn(Sample({}), PortalFormHelper(Section("Who", Grid(("name", 4), "note"))))
    assert '<label class="form-label" for="id_name">Name</label>' in text
    assert 'aria-describedby="id_name_helptext id_name_error"' in text
    assert 'aria-invalid="true"' in text
    assert 'id="id_name_helptext">As on the <b>door</b>.' in text
    assert 'id="id_name_error"' in text
    assert "<legend>Who</legend>" in text
    assert 'class="field c4"' in text
    assert 'Note <span class="opt">(optional)</span>' in text


def test_the_summary_links_every_error_to_its_field():
    text = drawn(Sample({}), PortalFormHelper())
    assert "3 things need another look" in text
    assert '<a href="#id_name">Name: This field is required.</a>' in text
    assert '<a href="#id_agreed">' in text
    assert '<a href="#id_role">' in text
    for target in re.findall(r'<a href="#([^"]+)"', text):
        assert f'id="{target}"' in text


def test_an_error_of_the_whole_form_stands_in_the_summary_once():
    text = drawn(Sample({"name": "nobody", "agreed": "on", "role": "reader"}), PortalFormHelper())
    assert text.count("Nobody is not somebody.") == 1
    assert "One thing needs another look" in text


def test_a_form_posts_with_its_token_and_asks_before_it_is_left():
    text = drawn(Sample(), PortalFormHelper())
    assert re.search(r'<form[^>]*id="page-form"', text)
    assert re.search(r"<form[^>]*data-guard", text)
    assert re.search(r"<form[^>]*novalidate", text)
    assert 'name="csrfmiddlewaretoken" value="token"' in text
    assert "err-sum" not in text


def test_a_form_within_a_form_of_the_page_brings_only_its_fields():
    text = drawn(Sample(), PortalFormHelper(tag=False))
    assert "<form" not in text
    assert 'name="csrfmiddlewaretoken"' in text


def test_a_choice_says_what_it_is_or_why_it_is_refused():
    text = drawn(Sample(), PortalFormHelper("role"))
    assert "<b>Reader</b><small>See everything</small>" in text
    assert "<small>There is an owner already.</small>" in text
    assert re.search(r'<input[^>]*value="owner"[^>]*disabled', text)
    assert not re.search(r'<input[^>]*value="reader"[^>]*disabled', text)
    assert '<legend class="form-label">Role</legend>' in text
    assert ">BOSS<" in text


def test_a_refused_choice_that_is_sent_all_the_same_is_refused():
    form = Sample({"name": "Tom", "agreed": "on", "role": "owner"})
    assert form.errors == {"role": ["There is an owner already."]}


def test_a_note_is_escaped():
    assert '<p class="small muted">a &lt; b</p>' in drawn(Sample(), PortalFormHelper(Note("a < b"), "name"))


class Amount(forms.Form):
    amount = MoneyField(currency="EUR", minimum=1)


@pytest.mark.parametrize(
    ("language", "typed", "minor"),
    [
        ("en", "1,234.56", 123456),
        ("en", "1234.5", 123450),
        ("en", " 12 ", 1200),
        ("nl", "1.234,56", 123456),
        ("nl", "1234,5", 123450),
        ("nl", "1\u00a0234,56", 123456),
    ],
)
def test_money_is_read_in_the_language_of_the_page(language: str, typed: str, minor: int):
    with translation.override(language):
        form = Amount({"amount": typed})
        assert form.is_valid(), form.errors
    assert form.cleaned_data["amount"] == Money(minor, "EUR")


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("", "required"),
        ("twelve", "invalid"),
        ("1.005", "decimals"),
        ("12,50", "invalid"),
        ("1,23,456", "invalid"),
        ("١٢", "invalid"),
        ("0", "minimum"),
        ("-5", "minimum"),
        ("NaN", "invalid"),
        ("Infinity", "invalid"),
        ("9" * 40, "invalid"),
        ("1e30", "invalid"),
        ("<b>1</b>", "invalid"),
    ],
)
def test_money_refuses_what_is_no_amount(typed: str, code: str):
    form = Amount({"amount": typed})
    assert [error.code for error in form.errors.as_data()["amount"]] == [code]


def test_money_is_shown_as_it_would_be_typed():
    with translation.override("nl"):
        text = str(Amount(initial={"amount": Money(123456, "EUR")})["amount"])
    assert 'value="1.234,56"' in text
