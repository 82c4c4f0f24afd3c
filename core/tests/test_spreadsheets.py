"""CSV files that people open in a spreadsheet."""

from datetime import date
from decimal import Decimal

import pytest

from core.spreadsheets import cell, csv_response


@pytest.mark.parametrize(
    "text", ['=HYPERLINK("http://x.example")', "+31 10", "-1+2", "@SUM(A1)", "\tx", "\rx", "＝1+1"]
)
def test_T38_formula_becomes_text(text):
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("number", [-5, 0, Decimal("-12.50")])
def test_T38_number_stays_a_number(number):
    assert cell(number) == number


def test_T38_file_quotes_text_and_keeps_numbers_bare():
    response = csv_response("people", ["Name", "Until", "Amount"], [["=1+1", date(2026, 12, 31), Decimal("-3.5")]])

    assert response.content.decode("utf-8-sig") == '"Name","Until","Amount"\r\n"\'=1+1","2026-12-31",-3.5\r\n'
    assert response["Content-Disposition"] == 'attachment; filename="people.csv"'


def test_what_is_not_there_is_an_empty_cell():
    assert cell(None) == ""
