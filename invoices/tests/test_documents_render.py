"""The PDF of an invoice: what it says, which standards it claims, and what cannot break it."""

import io
import json
import multiprocessing
import os
import re
import signal
import threading
import time
import unicodedata
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
import typst
from PIL import Image
from pypdf import PdfReader
from zxingcpp import read_barcodes

from core.money import Money
from invoices.documents import render
from invoices.documents.payload import Check, Party, Section, TransferInstructions
from invoices.documents.printed import TEXT_LIMIT, clean_text, printed
from invoices.documents.render import RenderFailed, Worker, finished, render_invoice, request_of
from invoices.documents.worker import TEMPLATES, fonts
from invoices.tests.payloads import euro, payload

# One word in each of forty scripts and more, as names are written with.
SCRIPTS = (
    "Zażółć gęślą jaźń",
    "Đặng Thị Mỹ",
    "Ærøskøbing",
    "Łódź",
    "İstanbul",
    "Ελληνικά",
    "Русский",
    "Українська",
    "Српски",
    "Монгол",
    "Հայերեն",
    "ქართული",
    "עברית",
    "العربية",
    "فارسی",
    "اردو",
    "ދިވެހި",
    "ܣܘܪܝܝܐ",
    "हिन्दी",
    "मराठी",
    "नेपाली",
    "বাংলা",
    "ਪੰਜਾਬੀ",
    "ગુજરાતી",
    "ଓଡ଼ିଆ",
    "தமிழ்",
    "తెలుగు",
    "ಕನ್ನಡ",
    "മലയാളം",
    "සිංහල",
    "ไทย",
    "ລາວ",
    "မြန်မာ",
    "ខ្មែរ",
    "བོད་ཡིག",
    "አማርኛ",
    "中文公司",
    "日本語カタカナ",
    "한국어",
    "ᏣᎳᎩ",
    "ⵜⴰⵎⴰⵣⵉⵖⵜ",
    "ᐃᓄᒃᑎᑐᑦ",
    "😀👨‍👩‍👧🏳️‍🌈",
)


def text_of(pdf: bytes) -> str:
    """The words of the PDF with every run of white space as one blank."""
    pages = PdfReader(io.BytesIO(pdf)).pages
    return re.sub(r"\s+", " ", " ".join(page.extract_text() for page in pages))


def strings_in(value) -> list[str]:
    if isinstance(value, str):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for item in items for text in strings_in(item)]


def squeezed(text: str) -> str:
    return re.sub(r"[\s\u200b]+", "", text)


def test_I5_every_figure_of_the_payload_stands_in_the_text_of_the_pdf():
    invoice = payload(9)

    text = squeezed(text_of(render_invoice(invoice).pdf))

    data = printed(invoice)
    unprinted = {data["language"], data["pages"], *data["keywords"], ""}
    unprinted |= {data["payment"]["picture"], data["attached"]}  # said to a screen reader
    unprinted |= {row["weight"] for row in data["totals"]["rows"]}
    wanted = [squeezed(string) for string in strings_in(data) if string not in unprinted]
    assert len(wanted) > 90
    assert [string for string in wanted if string not in text] == []
    assert squeezed("€ 1.374,21") in text  # net, worked out by hand: 9 × 123,45 + 36 × 7,31
    assert squeezed("€ 288,58") in text
    assert squeezed("€ 1.662,79") in text


def test_english_and_dutch_differ_in_words_and_in_figures():
    dutch = text_of(render_invoice(payload(1)).pdf)
    english = text_of(render_invoice(payload(1, language="en")).pdf)

    assert "Factuur G000118402" not in english
    assert "Te betalen" in dutch
    assert "05-11-2026" in dutch
    assert "Amount due" in english
    assert "5 Nov 2026" in english
    assert "€149.37" in english
    assert "€ 149,37" in dutch


def test_it_claims_pdf_a_3a_and_pdf_ua_1_and_is_tagged_titled_and_in_its_language():
    reader = PdfReader(io.BytesIO(render_invoice(payload(9)).pdf))

    root = reader.trailer["/Root"]
    xmp = root["/Metadata"].get_data().decode()
    assert re.search(r"<pdfaid:part>(.)</pdfaid:part>", xmp)[1] == "3"
    assert re.search(r"<pdfaid:conformance>(.)</pdfaid:conformance>", xmp)[1] == "A"
    assert re.search(r"<pdfuaid:part>(.)</pdfuaid:part>", xmp)[1] == "1"
    assert reader.metadata.title == "Factuur G000118402"
    assert reader.metadata.author == "Noorderlicht Cloud B.V."
    assert root["/Lang"].startswith("nl")
    assert root["/MarkInfo"]["/Marked"] == True  # noqa: E712 - a PDF boolean
    assert root["/ViewerPreferences"]["/DisplayDocTitle"] == True  # noqa: E712
    assert "/StructTreeRoot" in root


def test_EPC069_both_codes_are_read_from_the_page_by_what_scans_them():
    transfer = TransferInstructions(
        "Müller & Łukaszverzekeringsmaatschappijen B.V.", "NL91ABNA0417164300", "RF18539007547034", bic="ABNANL2A"
    )
    check = Check("7k3m9qxt2hwa", "https://billing.example.com/check/7k3m9qxt2hwa/")
    invoice = payload(2, transfer=transfer, check=check)
    asked = json.loads(request_of(invoice))
    template = TEMPLATES["invoice"]

    page = typst.compile(
        str(template),
        root=str(template.parent),
        font_paths=fonts(),
        format="png",
        ppi=150,
        sys_inputs={name: asked[name] for name in ("data", "logo", "accent", "pictures", "einvoice")},
    )

    found = {code.bytes for code in read_barcodes(Image.open(io.BytesIO(page)).convert("L"))}
    amount = f"EUR{invoice.due.amount:f}"
    # EPC069-12: the third line says that the text is UTF-8.
    lines = ["BCD", "002", "1", "SCT", transfer.bic, transfer.holder, transfer.iban, amount, "", transfer.reference]
    assert found == {"\n".join(lines).encode(), check.url.encode()}


def test_every_font_of_it_is_embedded():
    reader = PdfReader(io.BytesIO(render_invoice(payload(9)).pdf))

    fonts = [font.get_object() for page in reader.pages for font in page["/Resources"]["/Font"].values()]
    files = [font["/DescendantFonts"][0]["/FontDescriptor"] for font in fonts]
    assert files
    assert all(any(key in descriptor for key in ("/FontFile2", "/FontFile3")) for descriptor in files)


def test_L4_the_same_payload_gives_the_same_bytes_in_every_process():
    first = render_invoice(payload(60))
    other = Worker()

    # The other process has made something else before, so that nothing it remembers may show.
    other.render(request_of(payload(3, number="G9", sold_to=Party("中文公司", ()))))
    second = finished(other.render(request_of(payload(60))), payload(60))
    other.close()

    assert first.pdf == second.pdf
    assert first == render_invoice(payload(60))


def test_a_thousand_lines_repeat_the_table_head_and_number_the_pages():
    invoice = payload(1000)

    reader = PdfReader(io.BytesIO(render_invoice(invoice).pdf))

    pages = [re.sub(r"\s+", " ", page.extract_text()) for page in reader.pages]
    assert len(pages) > 20
    assert all(f"Pagina {number} van {len(pages)}" in page for number, page in enumerate(pages, 1))
    assert all("Omschrijving" in page for page in pages[:-1])
    text = squeezed(" ".join(pages))
    amounts = [squeezed(line["amount"]) for group in printed(invoice)["lines"]["groups"] for line in group["lines"]]
    assert len(amounts) == 1000
    assert [amount for amount in amounts if amount not in text] == []


@pytest.mark.parametrize(
    "text",
    [
        '#read("/etc/passwd")',
        '#eval("1+1")',
        "*bold* _x_ = Heading\n- item $x^2$ `raw` @label <label> //comment",
        '#import "@preview/example:0.1.0": *',
        "]#{panic()}[",
        '"}, "total": "0"',
        "{{ settings.SECRET_KEY }} {% load x %} <script>alert(1)</script>",
    ],
)
def test_M8_code_in_a_name_is_printed_as_it_stands(text):
    invoice = payload(1, sold_to=Party(text, (text,)), profile_name=text)

    printed_text = text_of(render_invoice(invoice).pdf)

    assert squeezed(printed_text).count(squeezed(text)) == 3
    assert "root:" not in printed_text


@pytest.mark.long(sample=8)
@pytest.mark.parametrize("name", SCRIPTS)
def test_no_script_in_a_name_stops_an_invoice(name):
    rendered = render_invoice(payload(1, sold_to=Party(f"A {name} B", (name,)), bill_to=Party(name, ())))

    text = text_of(rendered.pdf)
    assert set(rendered.replaced_characters) <= set(unicodedata.normalize("NFC", name))
    if rendered.replaced_characters:
        assert "□" in text
        assert not set(rendered.replaced_characters) & set(text)
    elif name[0].isascii():
        assert squeezed(clean_text(name)) in squeezed(text)


def test_characters_without_a_glyph_are_boxes_and_are_reported():
    rendered = render_invoice(payload(1, sold_to=Party("中文 B.V. ไ", ())))

    assert rendered.replaced_characters == "ไ中文"
    assert "□□ B.V. □" in text_of(rendered.pdf)


def test_hundreds_of_different_characters_without_a_glyph_cost_one_more_attempt():
    ideographs = "".join(chr(0x4E00 + index) for index in range(280))

    rendered = render_invoice(payload(1, sold_to=Party(ideographs, ())))

    assert set(rendered.replaced_characters) == set(ideographs)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("a\x00b\x07c\nd", "a b c d"),
        ("NL91\u202e00340\u202c", "NL91 00340"),
        ("e\u0301", "é"),
        ("  A\u2066B  ", "A B"),
        ("lone \ud800 half", "lone half"),
        ("x" * 40, "x" * 40),
        ("y " * 400, ("y " * 400)[: TEXT_LIMIT - 1] + "…"),
    ],
)
def test_text_is_cleaned_of_controls_and_of_marks_that_turn_its_direction(text, clean):
    assert re.sub(" +", " ", clean_text(text)).replace("\u200b", "") == clean


@pytest.mark.parametrize("length", [1, 100, 2_000_000])
def test_F38_a_text_of_any_length_is_cut_and_printed(length):
    started = time.monotonic()

    rendered = render_invoice(payload(1, sold_to=Party("W" * length, ("W" * length,) * 3), profile_name="W" * length))

    assert rendered.pdf.startswith(b"%PDF")
    assert time.monotonic() - started < 60


def test_a_logo_is_drawn_and_a_broken_one_is_left_out_and_reported():
    square = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10"><rect width="10" height="10"/></svg>'
    seller = payload().seller

    good = render_invoice(payload(1, seller=replace(seller, logo=square)))
    broken = render_invoice(payload(1, seller=replace(seller, logo="<svg><rect")))
    without = render_invoice(payload(1))

    assert good.logo_drawn
    assert without.logo_drawn
    assert not broken.logo_drawn
    assert broken.pdf == without.pdf
    assert good.pdf != without.pdf


def test_a_logo_cannot_read_files_of_the_machine(tmp_path):
    (tmp_path / "secret.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"><rect/></svg>')
    link = f'<image href="file://{tmp_path}/secret.svg" width="9" height="9"/>'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10">{link}</svg>'
    empty = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10"></svg>'
    seller = payload().seller

    linked = render_invoice(payload(1, seller=replace(seller, logo=svg)))

    drawn_as_nothing = render_invoice(payload(1, seller=replace(seller, logo=empty))).pdf
    assert not linked.logo_drawn or linked.pdf == drawn_as_nothing


def test_L3_a_credit_note_names_the_invoice_it_credits_and_asks_for_no_money():
    note = payload(2, kind="credit_note", number="C000000001", credited_number="G000118402", language="en")

    text = text_of(render_invoice(note).pdf)

    assert "Credit note C000000001" in text
    assert "This credit note corrects invoice G000118402." in text
    assert "Amount due" not in text
    assert "IBAN" not in text


def test_L1_the_words_of_the_law_stand_beside_a_rate_of_zero():
    invoice = payload(1)
    row = replace(invoice.vat[0], category="AE", rate=Decimal(0), amount=euro(0), wording="Btw verlegd, artikel 196")
    reverse = replace(invoice, vat=(row,), vat_total=euro(0), total=invoice.net, due=invoice.net)

    text = text_of(render_invoice(reverse).pdf)

    assert "0% Btw verlegd, artikel 196" in text
    assert "NL123456782B90" in text
    assert "NL000099998B57" in text


def test_lines_below_zero_are_summed_as_credits():
    invoice = payload(1)
    (section,) = invoice.sections
    given_back = replace(section.lines[0], description="Welkom", amount=euro(-345))
    sections = (Section("Productie", euro(12_000), (section.lines[0], given_back)),)

    rows = printed(replace(invoice, sections=sections, net=euro(12_000)))["totals"]["rows"]

    assert [(row["label"], row["amount"]) for row in rows[:3]] == [
        ("Kosten", "€\xa0123,45"),
        ("Tegoeden", "−€\xa03,45"),
        ("Subtotaal excl. btw", "€\xa0120,00"),
    ]


@pytest.mark.parametrize(
    ("currency", "minor", "shown"),
    [("JPY", 1234, "¥1,234"), ("KWD", 1234, "KWD\xa01.234"), ("MGA", 125, "MGA\xa01.25")],
)
def test_other_currencies_have_their_own_decimals(currency, minor, shown):
    amount = Money(minor, currency)
    zero = Money.zero(currency)
    invoice = payload(1, language="en", sections=(), vat=(), net=amount, vat_total=zero, total=amount, prepaid=zero)

    document = printed(replace(invoice, due=amount))

    assert document["owed"]["amount"] == shown


# --- The process that renders ---------------------------------------------------------------------


def one(worker: Worker, number: str = "G1"):
    return worker.render(request_of(payload(1, number=number)))


@pytest.fixture
def worker():
    worker = Worker(seconds=2)
    yield worker
    worker.close()


def test_F38_a_killed_renderer_is_reported_and_started_again(worker):
    one(worker)
    killed = worker.process
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()

    with pytest.raises(RenderFailed):
        one(worker)

    assert one(worker).pdf.startswith(b"%PDF")
    assert worker.process.pid != killed.pid


def test_F38_a_renderer_that_answers_nothing_is_given_up_after_the_time_limit(worker):
    one(worker)
    stuck = worker.process
    os.kill(stuck.pid, signal.SIGSTOP)
    started = time.monotonic()

    with pytest.raises(RenderFailed):
        one(worker)

    assert time.monotonic() - started < 60
    assert stuck.returncode == -signal.SIGKILL
    assert one(worker).pdf.startswith(b"%PDF")


def test_F38_a_document_that_takes_too_long_ends_its_process_from_within():
    worker = Worker(seconds=0.4)
    one(worker)
    process = worker.process

    with pytest.raises(RenderFailed):
        worker.render(request_of(payload(3000)))

    assert process.returncode == -signal.SIGALRM


def test_T37_the_renderer_has_no_secrets_and_may_not_write_files(worker):
    one(worker)

    environment = Path(f"/proc/{worker.process.pid}/environ").read_bytes()
    limits = Path(f"/proc/{worker.process.pid}/limits").read_text()
    assert b"SECRET_KEY" not in environment
    assert b"DATABASE_URL" not in environment
    assert re.search(r"Max file size +0 ", limits)
    assert re.search(r"Max address space +2147483648 ", limits)


def test_F38_a_renderer_that_wants_too_much_memory_fails_and_the_next_document_comes_out():
    worker = Worker(memory_bytes=300 * 1024**2)

    with pytest.raises(RenderFailed):
        worker.render(request_of(payload(2000)))

    assert one(worker).pdf.startswith(b"%PDF")
    worker.close()


def test_a_renderer_that_has_grown_is_started_afresh(worker):
    worker.seconds = 10
    worker.render(request_of(payload(4500)))

    assert worker.process is None


def test_the_renderer_starts_afresh_after_so_many_documents_and_stays_small():
    worker = Worker(documents=3)
    seen = set()

    for number in range(7):
        one(worker, f"G{number}")
        if worker.process is not None:
            seen.add(worker.process.pid)
    worker.close()

    assert len(seen) == 3


def test_threads_share_one_renderer_and_each_gets_its_own_document(worker):
    worker.seconds = 10
    made = {}

    def make(number: str) -> None:
        made[number] = one(worker, number).pdf

    threads = [threading.Thread(target=make, args=(f"G{index}",)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    titles = {number: PdfReader(io.BytesIO(pdf)).metadata.title for number, pdf in made.items()}
    assert titles == {f"G{index}": f"Factuur G{index}" for index in range(8)}


def _render_in_child(queue) -> None:
    queue.put(len(render_invoice(payload(1)).pdf))


def test_a_forked_process_starts_a_renderer_of_its_own():
    render_invoice(payload(1))
    ours = render._worker.process.pid
    context = multiprocessing.get_context("fork")
    queue = context.Queue()

    child = context.Process(target=_render_in_child, args=(queue,))
    child.start()
    size = queue.get(timeout=120)
    child.join(30)

    assert size == len(render_invoice(payload(1)).pdf)
    assert render._worker.process.pid == ours


def test_the_renderer_ends_with_the_process_that_started_it():
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    child = context.Process(target=_report_worker_and_die, args=(queue,))
    child.start()
    pid = queue.get(timeout=120)
    child.join(30)

    deadline = time.monotonic() + 60
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not os.path.exists(f"/proc/{pid}")


def _report_worker_and_die(queue) -> None:
    worker = Worker()
    data = {"data": "{}", "logo": "", "timestamp": 0}
    channel = worker._open()
    queue.put(worker.process.pid)
    queue.close()
    queue.join_thread()
    channel.send(json.dumps(data).encode()[:2])
    os.kill(os.getpid(), signal.SIGKILL)


def test_the_colour_of_the_seller_is_on_the_document_and_another_gives_another_document():
    own = replace(payload(), seller=replace(payload().seller, accent="#8a1c5b"))
    assert render_invoice(own).pdf != render_invoice(payload()).pdf
    assert b"8a1c5b" in request_of(own)
