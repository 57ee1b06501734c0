"""The text of a PDF as Typst writes it: no object streams, fonts with a map to Unicode."""

import re
import zlib

OBJECT = re.compile(rb"(\d+) 0 obj\s*(.*?)endobj", re.DOTALL)
_PLAIN = rb"(?:\\.|[^\\()]"
_STRING = rb"\(" + _PLAIN + rb"|\(" + _PLAIN + rb")*\))*\)"  # parentheses within it may be in pairs
STRING = re.compile(_STRING, re.DOTALL)
SHOWN = re.compile(
    rb"/(f\d+) [\d.]+ Tf|\[((?:" + _STRING + rb"|[-\d.\s])*)\]TJ|(" + _STRING + rb")Tj|(\bET\b)",
    re.DOTALL,
)
ESCAPED = re.compile(rb"\\([0-7]{1,3}|.)", re.DOTALL)
SHORT = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


def pages(pdf):
    """The text of every page; pieces that are placed apart are apart by a space."""
    return [re.sub(r"\s+", " ", text) for text in _pages(pdf)]


def gaps(pdf, before="References"):
    """Where a text has room for a word that is not there: two spaces, or one before a stop. Behind
    ``before`` the style of the bibliography leaves such room."""
    text = "\n".join(_pages(pdf)).partition(before)[0]
    room = re.compile(r".{0,20}(?:  | [,;.:)](?= )|\( ?\)).{0,20}")
    return [match[0] for match in room.finditer(text)]


def attached(pdf):
    """The files that are attached to it."""
    bodies = [body for _, body in OBJECT.findall(pdf)]
    return [_stream(body) for body in bodies if b"/Type/EmbeddedFile" in body]


def _pages(pdf):
    """The text of every page, pieces that are placed apart in lines of their own."""
    objects = {int(number): body for number, body in OBJECT.findall(pdf)}
    found = []
    for body in objects.values():
        if not re.search(rb"/Type/Page\b(?!s)", body):
            continue
        resources = objects[_reference(body, b"Resources")]
        fonts = dict(re.findall(rb"/(f\d+) (\d+) 0 R", resources))
        maps = {name: _unicode(objects, int(number)) for name, number in fonts.items()}
        found.append(_text(_stream(objects[_reference(body, b"Contents")]), maps))
    return found


def _reference(body, name):
    return int(re.search(rb"/" + name + rb" (\d+) 0 R", body)[1])


def _stream(body):
    data = re.search(rb"stream\r?\n(.*)\r?\nendstream", body, re.DOTALL)[1]
    return zlib.decompress(data) if b"/FlateDecode" in body.split(b"stream")[0] else data


def _unicode(objects, font):
    text = _stream(objects[_reference(objects[font], b"ToUnicode")])
    return {
        int(code, 16): bytes.fromhex(value.decode()).decode("utf-16-be")
        for code, value in re.findall(rb"^<(\w+)> <(\w+)>$", text, re.MULTILINE)
    }


def _text(content, maps):
    said, font = [], {}
    for name, array, single, ended in SHOWN.findall(content):
        if name:
            font = maps[name]
        elif ended:
            said.append("\n")
        for string in STRING.findall(array + single):
            raw = ESCAPED.sub(_byte, string[1:-1])
            codes = zip(raw[::2], raw[1::2], strict=True)
            said += [font.get(256 * high + low, "") for high, low in codes]
    return "".join(said)


def _byte(match):
    one = match[1]
    return bytes([int(one, 8)]) if one[:1].isdigit() else SHORT.get(one, one)
