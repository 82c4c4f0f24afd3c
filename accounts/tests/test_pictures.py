"""Pictures that people upload, the bad ones: nothing runs, nothing eats the memory, nothing of the file stays."""

import struct
import zlib
from io import BytesIO

import pytest
from PIL import Image

from accounts.services.pictures import small_picture
from core.errors import Refused
from core.testing import start_process

SCRIPT = b"<script>alert(document.domain)</script>"


def picture(kind="PNG", size=(400, 300), **options):
    written = BytesIO()
    Image.new("RGB", size, "teal").save(written, kind, **options)
    return written.getvalue()


def with_position():
    exif = Image.Exif()
    exif[0x010E] = "secret place"
    exif.get_ifd(0x8825)[2] = (51.9, 4.5, 0.0)
    return picture("JPEG", exif=exif)


def bomb(side=13_000, *, bits=1, kind=0):
    """A PNG of a few kilobytes that says it has that many pixels, and has them."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    packed = zlib.compressobj(9)
    channels = 4 if kind == 6 else 1
    row = bytes(1 + (side * bits * channels + 7) // 8)
    data = b"".join(packed.compress(row) for _row in range(side)) + packed.flush()
    head = struct.pack(">IIBBBBB", side, side, bits, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def animated():
    frames = [Image.new("RGB", (64, 64), color) for color in ("red", "green", "blue")]
    written = BytesIO()
    frames[0].save(written, "PNG", save_all=True, append_images=frames[1:])
    return written.getvalue()


GOOD = {
    "plain": picture(),
    "polyglot": picture("JPEG") + SCRIPT + b"<?php system($_GET[0]); ?>PK\x03\x04",
    "with a position": with_position(),
    "animated": animated(),
    "wrong extension": picture("JPEG"),
    "one pixel": picture(size=(1, 1)),
    "palette with transparency": picture("PNG"),
}
BAD = {
    "svg with a script": (b"<svg xmlns='http://www.w3.org/2000/svg'>" + SCRIPT + b"</svg>", "no_picture"),
    "13,000 × 13,000": (bomb(), "too_many_pixels"),
    "truncated": (picture("JPEG", size=(2000, 2000))[:9000], "no_picture"),
    "truncated png": (picture("PNG", size=(900, 900))[:-400], "no_picture"),
    "gif": (picture("GIF"), "no_picture"),
    "html": (b"<html>" + SCRIPT, "no_picture"),
    "nothing": (b"", "no_picture"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no_picture"),
}


@pytest.mark.parametrize("name", GOOD)
def test_Q13_what_comes_out_is_a_small_square_that_we_wrote(name):
    content = GOOD[name]

    made = small_picture(BytesIO(content), len(content)).read()

    with Image.open(BytesIO(made)) as image:
        assert (image.format, image.size, getattr(image, "n_frames", 1)) == ("WEBP", (256, 256), 1)
        assert not image.getexif()
        assert not {"exif", "xmp", "icc_profile", "comment"} & set(image.info)
    assert SCRIPT not in made
    assert b"secret place" not in made
    assert len(made) < 50_000


@pytest.mark.parametrize("name", BAD)
def test_Q13_anything_else_is_refused_with_a_sentence(name):
    content, code = BAD[name]

    with pytest.raises(Refused) as refusal:
        small_picture(BytesIO(content), len(content))

    assert refusal.value.code == code
    assert str(refusal.value).endswith(".")


def test_a_file_that_is_too_big_is_not_even_opened():
    with pytest.raises(Refused) as refusal:
        small_picture(BytesIO(), 6 * 1024 * 1024)

    assert refusal.value.code == "too_big"


def test_Q13_no_picture_makes_the_memory_grow_by_150_megabytes():
    """In a process of its own, since a high-water mark never falls: the bomb, and the largest that is allowed."""
    process = start_process("-c", GROWTH)

    said, _nothing = process.communicate(timeout=120)

    assert process.returncode == 0, said
    refused, made, grown = said.split()
    assert (refused, made, int(grown) < 150) == ("too_many_pixels", "made", True)


GROWTH = """
import django
django.setup()
import resource
from io import BytesIO
from accounts.services.pictures import small_picture
from accounts.tests.test_pictures import bomb
from core.errors import Refused
from core.testing import start_process
bad, largest = bomb(), bomb(5000, bits=8, kind=6)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    small_picture(BytesIO(bad), len(bad))
except Refused as refusal:
    print(refusal.code)
small_picture(BytesIO(largest), len(largest))
print("made")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
