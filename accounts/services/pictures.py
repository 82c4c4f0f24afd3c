"""Pictures that people upload: what comes out is a small one that we wrote ourselves (ASVS 5.2.6, Q13).

Type and size are read from the header before anything is decoded, so that a small file of many pixels costs
nothing. Nothing of the file itself is kept: no metadata, no second image, no bytes that another program would run.
"""

from io import BytesIO
from typing import IO

from django.core.files.base import ContentFile
from django.utils.translation import gettext as _
from PIL import Image, ImageOps, UnidentifiedImageError

from core.errors import Refused

BYTES, PIXELS, SIDE = 5 * 1024 * 1024, 25_000_000, 256
FORMATS = ("PNG", "JPEG")
# Ours is stricter, and says so in a sentence.
Image.MAX_IMAGE_PIXELS = None


def small_picture(file: IO[bytes], size: int) -> ContentFile:
    """A square WebP of 256 pixels made of an upload of `size` bytes. Refuses `too_big`, `no_picture` (another
    format, damaged) and `too_many_pixels`."""
    if size > BYTES:
        raise Refused(_("The file is larger than 5 MB. Choose a smaller one."), "too_big")
    file.seek(0)
    try:
        with Image.open(file, formats=FORMATS) as image:
            if image.width * image.height > PIXELS:
                raise Refused(
                    _("The picture has more than 25 million pixels. Choose a smaller one."), "too_many_pixels"
                )
            image.draft("RGB", (2 * SIDE, 2 * SIDE))  # a JPEG is decoded small already
            small = _reduced(image)
            upright = ImageOps.exif_transpose(small)
            square = ImageOps.fit(upright, (SIDE, SIDE))
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise Refused(_("This is no PNG or JPEG picture, or it is damaged."), "no_picture") from error
    clean = Image.new("RGBA", square.size)
    clean.paste(square)
    written = BytesIO()
    clean.save(written, "WEBP", quality=80)
    return ContentFile(written.getvalue())


def _reduced(image: Image.Image) -> Image.Image:
    """The picture, about twice as large as it is needed, made strip by strip: a whole second one beside the decoded
    picture would be too much memory."""
    factor = max(1, min(image.size) // (2 * SIDE))
    step = factor * 64
    small = Image.new("RGBA", (-(-image.width // factor), -(-image.height // factor)))
    for top in range(0, image.height, step):
        strip = image.crop((0, top, image.width, min(top + step, image.height))).convert("RGBA")
        small.paste(strip.reduce(factor), (0, top // factor))
    small.info["exif"] = image.info.get("exif", b"")  # says which way up it is; not written
    return small
