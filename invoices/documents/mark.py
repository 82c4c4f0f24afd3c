"""The mark of Factur-X in the metadata of a PDF that carries a structured invoice.

The compiler has no place for it. What it wrote and checked for PDF/A and PDF/UA stays as it is, byte for byte: the
words are put into its metadata, and what lies behind them is listed at its new place. A large file is written
anew by `pikepdf`, smaller: that takes a third of the time of typesetting, and a file of a few lines gains little.
"""

import io
import re

# The name that Typst gives what it attaches: see `invoice.typ`.
CII_NAME = "factur-x.xml"
# About 150 lines.
LARGE_BYTES = 200_000

_NAMESPACE = "urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#"
_SCHEMA = """<rdf:li rdf:parseType="Resource"><pdfaSchema:schema>Factur-X PDFA Extension Schema</pdfaSchema:schema>
<pdfaSchema:namespaceURI>{namespace}</pdfaSchema:namespaceURI>
<pdfaSchema:prefix>fx</pdfaSchema:prefix><pdfaSchema:property><rdf:Seq>{properties}</rdf:Seq></pdfaSchema:property>
</rdf:li>"""
_PROPERTY = """<rdf:li rdf:parseType="Resource"><pdfaProperty:name>{name}</pdfaProperty:name>
<pdfaProperty:valueType>Text</pdfaProperty:valueType><pdfaProperty:category>external</pdfaProperty:category>
<pdfaProperty:description>{description}</pdfaProperty:description></rdf:li>"""
_PROPERTIES = {
    "DocumentFileName": ("name of the embedded XML invoice file", CII_NAME),
    "DocumentType": ("INVOICE", "INVOICE"),
    "Version": ("version of the Factur-X data", "1.0"),
    "ConformanceLevel": ("conformance level of the Factur-X data", "EN 16931"),
}
_BAG = b"<pdfaExtension:schemas><rdf:Bag>"
_END = b"</rdf:RDF>"

# The end of a file of one revision (ISO 32000-1, 7.5.4 and 7.5.5): where each object begins, in rows of twenty bytes.
_TABLE = re.compile(
    rb"xref\n0 (\d+)\n((?:\d{10} \d{5} [nf]\r\n)+)trailer\n(<<.*>>)\nstartxref\n\d+\n%%EOF\n?", re.DOTALL
)
_ROW = re.compile(rb"(\d{10})( \d{5} n\r\n)")
_CATALOG = re.compile(rb"/Root (\d+) 0 R")
_METADATA = re.compile(rb"/Metadata (\d+) 0 R")
_STREAM = re.compile(rb"\d+ 0 obj\n<</Length (\d+)/Type/Metadata/Subtype/XML>>\nstream\n")


def marked(pdf: bytes) -> bytes:
    """The PDF whose metadata say that it is a Factur-X invoice; everything else in it stays as it was.

    The same bytes for the same PDF. Raises ValueError for one that the compiler did not write.
    """
    whole = _with_mark(pdf)
    return _compressed(whole) if len(whole) > LARGE_BYTES else whole


def _with_mark(pdf: bytes) -> bytes:
    start = pdf.rfind(b"xref\n0 ")
    table = _matched(_TABLE.fullmatch(pdf, max(start, 0)))
    rows, trailer = table[2], table[3]

    def place(number: bytes) -> int:
        row = 20 * int(number)
        return int(rows[row : row + 10])

    catalog = place(_matched(_CATALOG.search(trailer))[1])
    metadata = place(_matched(_METADATA.search(pdf, catalog, start))[1])
    head = _matched(_STREAM.match(pdf, metadata))
    length = int(head[1])
    old = pdf[head.end() : head.end() + length]
    if old.count(_BAG) != 1 or old.count(_END) != 1:
        raise ValueError("the metadata of the PDF have no place for an extension schema")
    new = old.replace(_BAG, _BAG + _schema()).replace(_END, _description() + _END)
    opening = head[0].replace(b"/Length %d" % length, b"/Length %d" % len(new))
    growth = len(opening) + len(new) - len(head[0]) - length

    def moved(row: re.Match[bytes]) -> bytes:
        offset = int(row[1])
        return b"%010d%b" % (offset + growth * (offset > metadata), row[2])

    return b"".join(
        [
            pdf[:metadata],
            opening,
            new,
            pdf[head.end() + length : start],
            b"xref\n0 %b\n%b" % (table[1], _ROW.sub(moved, rows)),
            b"trailer\n%b\nstartxref\n%d\n%%%%EOF" % (trailer, start + growth),
        ]
    )


def _matched(match: re.Match[bytes] | None) -> re.Match[bytes]:
    if match is None:
        raise ValueError("the PDF is not laid out as the compiler does it")
    return match


def _compressed(pdf: bytes) -> bytes:
    """With the tags of its pages, which are many small objects, compressed together: a quarter of the size."""
    import pikepdf  # noqa: PLC0415 - where documents are made alone

    with pikepdf.open(io.BytesIO(pdf)) as document:
        result = io.BytesIO()
        document.save(
            result,
            object_stream_mode=pikepdf.ObjectStreamMode.generate,
            deterministic_id=True,
            linearize=False,
            # The compiler wrote the version, and writing it again costs a fifth of the time.
            fix_metadata_version=False,
        )
        return result.getvalue()


def _schema() -> bytes:
    properties = (_PROPERTY.format(name=name, description=said) for name, (said, _value) in _PROPERTIES.items())
    return _SCHEMA.format(namespace=_NAMESPACE, properties="".join(properties)).encode()


def _description() -> bytes:
    values = "".join(f"<fx:{name}>{value}</fx:{name}>" for name, (_said, value) in _PROPERTIES.items())
    return f'<rdf:Description rdf:about="" xmlns:fx="{_NAMESPACE}">{values}</rdf:Description>'.encode()
