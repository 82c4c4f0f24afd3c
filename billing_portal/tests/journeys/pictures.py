"""Smaller pictures: a screenshot drawn with 256 colours instead of 16 million."""

import struct
import zlib
from collections import Counter
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLORS = 256
FINE = 4  # a shade is told from its neighbours by this much per channel


def small_png(png: bytes) -> bytes:
    """The same picture with a palette of its most used colours; each other one becomes its nearest."""
    width, height, pixels = _pixels(png)
    counts = Counter(pixels)
    groups: Counter[tuple[int, ...]] = Counter()
    for color, count in counts.items():
        groups[tuple(part // FINE for part in color)] += count
    # One colour of each group of shades, the one used most; then the largest groups.
    best: dict[tuple[int, ...], tuple[int, ...]] = {}
    for color, _count in counts.most_common():
        best.setdefault(tuple(part // FINE for part in color), color)
    palette = [best[group] for group, _count in groups.most_common(COLORS)]
    index = {color: min(range(len(palette)), key=lambda at: _distance(palette[at], color)) for color in counts}
    rows = (bytes([0]) + bytes(map(index.__getitem__, pixels[y * width : (y + 1) * width])) for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    return b"".join(
        [
            SIGNATURE,
            _chunk(b"IHDR", header),
            _chunk(b"PLTE", b"".join(bytes(color) for color in palette)),
            _chunk(b"IDAT", zlib.compress(b"".join(rows), 9)),
            _chunk(b"IEND", b""),
        ]
    )


def _distance(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    while at < len(png):
        (size,) = struct.unpack(">I", png[at : at + 4])
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + size]
        at += size + 12


def _pixels(png: bytes) -> tuple[int, int, list[tuple[int, ...]]]:
    """Width, height and the colours of an 8-bit RGB or RGBA picture, row by row."""
    chunks = list(_chunks(png))
    width, height, depth, kind = struct.unpack(">IIBB", chunks[0][1][:10])
    assert (depth, kind) in {(8, 2), (8, 6)}
    each = 4 if kind == 6 else 3
    data = zlib.decompress(b"".join(body for name, body in chunks if name == b"IDAT"))
    above, pixels = bytearray(width * each), []
    for y in range(height):
        start = y * (width * each + 1)
        row = _unfiltered(data[start], bytearray(data[start + 1 : start + 1 + width * each]), above, each)
        pixels += zip(row[0::each], row[1::each], row[2::each], strict=True)
        above = row
    return width, height, pixels


def _unfiltered(kind: int, row: bytearray, above: bytearray, each: int) -> bytearray:
    """Undo the filter of one row (PNG, section 9)."""
    for at in range(len(row)) if kind else ():
        left = row[at - each] if at >= each else 0
        corner = above[at - each] if at >= each else 0
        up = above[at]
        guess = (0, left, up, (left + up) // 2, _paeth(left, up, corner))[kind]
        row[at] = (row[at] + guess) & 255
    return row


def _paeth(left: int, up: int, corner: int) -> int:
    near = left + up - corner
    distances = (abs(near - left), abs(near - up), abs(near - corner))
    return (left, up, corner)[distances.index(min(distances))]
