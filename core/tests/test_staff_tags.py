"""The tables of staff as cards: every cell knows its column, whatever stands in it."""

from django.template import Context, Template

TABLE = """{% load staff %}{% cards %}<table>
<thead><tr><th scope="col">Name</th><th class="n">{{ head }}</th><th><span>Left</span></th></tr></thead>
<tbody><tr><th scope="row">A</th><td class="n">{{ value }}</td><td>2</td></tr>
<tr><td>B</td><td>3</td><td>4</td></tr></tbody>
</table>{% endcards %}"""


def draw(**values: str) -> str:
    return Template(TABLE).render(Context({"head": "Owed", "value": "1", **values}))


def test_each_cell_has_the_name_of_its_column():
    page = draw()
    assert '<td role="cell" data-label="Owed" class="n">1</td><td role="cell" data-label="Left">2</td>' in page
    assert '<td role="cell" data-label="Name">B</td><td role="cell" data-label="Owed">3</td>' in page
    assert '<th role="columnheader" class="n">Owed</th>' in page
    assert '<th role="rowheader" scope="row">A</th>' in page


def test_hostile_words_stay_words():
    page = draw(head='"><script>', value="</td><td>")
    assert "<script" not in page
    assert page.count("<td ") == 5
    assert page.count("data-label=") == 5
