"""How the vendor looks: one colour and one logo for documents, mails and pages, and the shades that stay readable.

What was chosen may be any colour. As text, as the ground of a button or on a dark page it is shaded until the contrast
that WCAG 2.2 asks for is there (1.4.3: 4.5 to 1 for text, 1.4.11: 3 to 1 for what is no text).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

WHITE, BLACK, INK = "#ffffff", "#000000", "#161a22"
TEXT, SHAPE = 4.5, 3.0
# A button is known by its words; its ground has only to be seen.
VISIBLE = 1.4
# The middle series of a chart, on the surface, is no darker (in the light look) than this; series beside each other
# are so far apart.
MIDDLE, APART = 4.6, 1.9
# The grounds of static/css/tokens.css on which a shade has to be seen: the surface, and the darkest of the light ones
# or the lightest of the dark ones.
LIGHT_SURFACE, LIGHT_WORST = WHITE, "#ebeef2"
DARK_SURFACE, DARK_WORST = "#151920", "#262d38"
# The portal's own, by those tokens: drawn by hand, and better than computed.
ACCENT = "#2454d6"
_STEP = 0.02


@dataclass(frozen=True)
class Shades:
    """A colour in one look: shapes and the words on them, shapes under the pointer, links, a quiet ground with its
    edge, words on that; the ground of a button, which is the colour itself where it can be told from the page; and the
    series of a chart, each of which can be told from the next."""

    accent: str
    on_accent: str
    hover: str
    link: str
    soft: str
    soft_edge: str
    words: str
    button: str
    on_button: str
    charts: tuple[str, str, str]


OWN_LIGHT = Shades(
    *(ACCENT, WHITE, "#1c43b0", ACCENT, "#f0f5ff", "#bfd3ff", "#1c43b0", ACCENT, WHITE),
    charts=("#1c43b0", "#5b87f5", "#b3caff"),
)
OWN_DARK = Shades(
    *("#3d69e3", WHITE, "#325cd0", "#8fb2ff", "#17223b", "#2b4278", "#a9c4ff", "#3d69e3", WHITE),
    charts=("#93b4ff", "#4a78f0", "#263f82"),
)


@dataclass(frozen=True)
class Brand:
    """The vendor's colour as #rrggbb, and the path of the logo as a bitmap with its size in CSS pixels; each empty or 0
    where there is none."""

    accent: str = ""
    logo_path: str = ""
    logo_width: int = 0
    logo_height: int = 0

    @cached_property
    def light(self) -> Shades:
        return light_shades(self.accent) if self.accent else OWN_LIGHT

    @cached_property
    def dark(self) -> Shades:
        return dark_shades(self.accent) if self.accent else OWN_DARK


def is_colour(text: str) -> bool:
    """Whether it is written as #rrggbb."""
    return re.fullmatch(r"#[0-9a-fA-F]{6}", text) is not None


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, 1 to 21 (WCAG 2.2, relative luminance)."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def words_on(ground: str) -> str:
    """The colour of words on this ground: white where that can be read, else as dark as it has to be."""
    return next((each for each in (WHITE, INK) if contrast(each, ground) >= TEXT), BLACK)


def readable(colour: str, *grounds: str, toward: str = BLACK, ratio: float = TEXT) -> str:
    """The colour, shaded toward black or white until it has that contrast on every ground."""
    share = 0.0
    shade = colour.lower()
    while share < 1 and any(contrast(shade, ground) < ratio for ground in grounds):
        share += _STEP
        shade = mixed(colour, toward, share)
    return shade


def mixed(colour: str, other: str, share: float) -> str:
    """The colour with that share (0 to 1) of the other in it."""
    pairs = zip(_parts(colour), _parts(other), strict=True)
    return "#" + "".join(f"{round(one + (two - one) * min(share, 1)):02x}" for one, two in pairs)


def light_shades(colour: str) -> Shades:
    """For the light look."""
    accent = readable(colour, LIGHT_SURFACE, LIGHT_WORST, ratio=SHAPE)
    soft = mixed(colour, WHITE, 0.93)
    link = readable(colour, LIGHT_SURFACE, LIGHT_WORST)
    words = readable(mixed(link, BLACK, 0.12), soft, LIGHT_WORST, ratio=5)
    return _shades(colour, accent, LIGHT_SURFACE, link, soft, words, BLACK)


def dark_shades(colour: str) -> Shades:
    """For the dark look."""
    accent = readable(colour, DARK_SURFACE, toward=WHITE, ratio=SHAPE)
    soft = mixed(colour, DARK_SURFACE, 0.84)
    link = readable(colour, DARK_SURFACE, DARK_WORST, toward=WHITE)
    words = readable(mixed(link, WHITE, 0.2), soft, DARK_WORST, toward=WHITE, ratio=5)
    return _shades(colour, accent, DARK_SURFACE, link, soft, words, WHITE)


def _shades(colour: str, accent: str, surface: str, link: str, soft: str, words: str, far: str) -> Shades:
    """`far` is black or white, whichever the surface is not."""
    charts = _series(accent, surface, far)
    button = colour.lower() if contrast(colour, surface) >= VISIBLE else accent
    edge = mixed(colour, surface, 0.66)
    on_accent, hover, on_button = words_on(accent), _under_pointer(accent), words_on(button)
    return Shades(accent, on_accent, hover, link, soft, edge, words, button, on_button, charts)


def _series(accent: str, surface: str, far: str) -> tuple[str, str, str]:
    """A middle shade that can be seen on the surface, one further from it and one nearer to it."""
    middle, share = accent, 0.0
    while contrast(middle, surface) > MIDDLE:
        share += _STEP
        middle = mixed(accent, surface, share)
    return (
        readable(middle, middle, toward=far, ratio=APART),
        middle,
        readable(middle, middle, toward=surface, ratio=APART),
    )


def _under_pointer(accent: str) -> str:
    """A little further away from the words on it."""
    return mixed(accent, BLACK if words_on(accent) == WHITE else WHITE, 0.14)


def _parts(colour: str) -> Sequence[int]:
    return [int(colour[start : start + 2], 16) for start in (1, 3, 5)]


def _luminance(colour: str) -> float:
    parts = [part / 255 for part in _parts(colour)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


_sources: list[Callable[[], Brand]] = []


def brand_source(function: Callable[[], Brand]) -> Callable[[], Brand]:
    """Register the function that knows the vendor's brand; the app that stores it does."""
    _sources[:] = [function]
    return function


def current_brand() -> Brand:
    """The vendor's brand as it is stored now; that of the portal where nothing is."""
    return _sources[0]() if _sources else Brand()
