"""The process that turns one document after another into PDF. Started by `render`; imports no Django.

It reads requests and writes answers on the socket that is its standard input: four bytes of length,
then JSON; an answer ends with the PDF, whose length its JSON tells. It has no secrets in its
environment, may not write files, has an upper bound on memory, and a clock of the system ends it
when one document takes too long, whatever native code is doing at that moment.
"""

import json
import re
import resource
import signal
import socket
import struct
import sys
import unicodedata
from importlib.metadata import entry_points
from pathlib import Path

import typst

TEMPLATES = {
    name: Path(__file__).with_name(f"{name}.typ") for name in ("invoice", "receipt", "remittance", "statement")
}
STANDARDS = ["a-3a", "ua-1"]
# Drawn in place of a character that no font can show. Inter has it.
REPLACEMENT = "\N{WHITE SQUARE}"
# A place to break a word, not part of it.
ZERO_WIDTH_SPACE = "\N{ZERO WIDTH SPACE}"
ATTEMPTS = 5
NOT_DISPLAYED = re.compile(r'the text `"((?:[^"\\]|\\.)*)"` could not be displayed')
RUST_ESCAPE = re.compile(r"\\(?:u\{([0-9a-f]+)\}|(.))", re.DOTALL)


def main(seconds: float, memory_bytes: int) -> None:
    """Answer requests until the other side closes the socket, each within so much time and memory."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    # Ctrl-C in a terminal reaches every process of the group; this one ends when its parent does.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = socket.socket(fileno=sys.stdin.fileno())
    faces = fonts()
    compilers: dict[str, typst.Compiler] = {}
    while (size := receive(channel, 4)) is not None:
        request = receive(channel, struct.unpack(">I", size)[0])
        if request is None:
            return
        # The default action of the signal ends the process: no Python code has to get a turn.
        signal.setitimer(signal.ITIMER_REAL, seconds)
        asked = json.loads(request)
        name = asked["template"]
        if name not in compilers:
            template = TEMPLATES[name]
            compilers[name] = typst.Compiler(str(template), root=str(template.parent), font_paths=faces)
        answer, pdf = typeset(compilers[name], asked)
        signal.setitimer(signal.ITIMER_REAL, 0)
        head = json.dumps(answer | {"bytes": len(pdf), "peak": peak_bytes()}).encode()
        channel.sendall(struct.pack(">I", len(head)) + head + pdf)


def typeset(compiler: typst.Compiler, request: dict) -> tuple[dict, bytes]:
    """The PDF of one request, with the characters that had to be replaced and whether the logo is in it.

    Nothing is remembered from one document to the next: the same request gives the same bytes in
    every process. A character that no font shows costs a second attempt, a broken logo another.
    """
    inputs = {"data": request["data"], "logo": request["logo"]}
    # Not printed as text, so no font matters to them.
    others = {name: request[name] for name in ("pictures", "einvoice", "accent")}
    replaced: set[str] = set()
    for _ in range(ATTEMPTS):
        try:
            pdf = compiler.compile(
                format="pdf",
                pdf_standards=STANDARDS,  # type: ignore[arg-type]
                timestamp=request["timestamp"],
                sys_inputs=inputs | others,
            )
        except typst.TypstError as error:
            lacking = not_displayed(error.diagnostic)
            if lacking:
                replaced |= lacking
                table = {ord(character): _substitute(character) for character in lacking}
                inputs = {name: text.translate(table) for name, text in inputs.items()}
            elif inputs["logo"]:
                inputs["logo"] = ""
            else:
                return {"error": error.message}, b""
        else:
            replaced.discard(ZERO_WIDTH_SPACE)
            said = {
                "replaced": "".join(sorted(replaced)),
                "logo_drawn": bool(inputs["logo"]) or not request["logo"],
            }
            return said, pdf  # type: ignore[return-value]
    return {"error": f"no font shows some of {''.join(sorted(replaced))!r}, and replacing them did not help"}, b""


def peak_bytes() -> int:
    """The most memory this process has had. The system's own count begins with that of the process that started
    this one, so Linux is asked where it keeps the right figure."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except FileNotFoundError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def fonts() -> typst.Fonts:
    """The faces of every installed font package, and Typst's own; never those of the host.

    A package such as fontpkg-inter announces itself, so an extra with faces for Chinese or Thai
    needs no setting.
    """
    folders = sorted(str(entry.load().ROOT) for entry in entry_points(group="fontpkg.family"))
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=True, font_paths=folders)


def not_displayed(diagnostic: str) -> set[str]:
    """The characters that the compiler reports to have no glyph; the Basic Latin beside them always has one."""
    named: set[str] = set()
    for literal in NOT_DISPLAYED.findall(diagnostic):
        named.update(RUST_ESCAPE.sub(_unescape, literal))
    return {character for character in named if not character.isascii()}


def receive(channel: socket.socket, count: int) -> bytes | None:
    """Exactly that many bytes, or None when the other side has gone."""
    received = bytearray()
    while len(received) < count:
        piece = channel.recv(min(count - len(received), 1 << 20))
        if not piece:
            return None
        received += piece
    return bytes(received)


def _substitute(character: str) -> str:
    # A mark or a joiner has no place of its own on the line, so it needs no box either.
    return "" if unicodedata.category(character)[0] in "MC" else REPLACEMENT


def _unescape(match: re.Match) -> str:
    code, simple = match.groups()
    return chr(int(code, 16)) if code else simple


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))
