"""What others wrote, made safe to print: the one place that decides what may reach a terminal, a question or a file.

Job names, log lines, messages of AWS, tags and file names are written by anybody. A character that would steer a
terminal, reorder a line or hide in it is shown as its escape. The streams of the command line (`fmctl.cli.streams`)
pass everything through here, so that no command can forget it.
"""

from __future__ import annotations

from collections.abc import Iterable

LONGEST_LINE = 4000  # of a question or a message to a person: more would push the rest off the screen
_MOST_MARKS = 3  # combining marks on one letter: more climb over the lines above and below
_FIRST_MARK = "\u0300"
# Letters and marks that are drawn as nothing at all, though they count as printable.
_UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
_VARIANTS = (("\ufe00", "\ufe0f"), ("\U000e0100", "\U000e01ef"))  # they change how a letter looks, or carry a message
_FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")


def printable(text: str) -> str:
    """The text in one line, without anything that steers: white space as spaces, the rest that is not seen escaped."""
    if _all_seen(text):
        return text
    return "".join(_shown(text))


def printable_lines(text: str) -> str:
    """The same for a text that may have several lines, and tabs in them; a lone carriage return ends a line too.

    Colours, which the logs of many programs have, are left out.
    """
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return text
    if "\033[" in text:
        import re

        text = re.sub(r"\033\[[0-9;]*m", "", text)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join("\t".join(map(printable, line.split("\t"))) for line in lines)


def message(line: str) -> str:
    """One line of a message or a question: printable, and the middle of a very long one dropped."""
    shown = printable(line)
    if len(shown) <= LONGEST_LINE:
        return shown
    return f"{shown[: LONGEST_LINE * 3 // 4]} [...] {shown[-LONGEST_LINE // 4 :]}"


def block(lines: Iterable[str]) -> str:
    """The lines that a person reads before a question: each stays one line, whatever others wrote into it."""
    return "".join(f"{message(line)}\n" for line in lines)


def json_text(value: object, indent: int | None = None) -> str:
    """JSON in which every text is whole and nothing steers: what is not printable stands as its JSON escape.

    Raises:
        ValueError: a number is not finite.
    """
    import json

    written = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    # Line ends stand between values alone: in texts they are escaped already.
    return "\n".join(
        line if _all_seen(line) else "".join(c if _seen(c) else json.dumps(c)[1:-1] for c in line)
        for line in written.split("\n")
    )


def csv_cell(value: object) -> object:
    """A cell that no spreadsheet takes for a formula: a text that begins like one gets an apostrophe before it."""
    if not isinstance(value, str):
        return value
    text = printable(value)
    begins = text.lstrip().startswith(_FORMULA) or value.startswith(("\t", "\r", "\n"))
    return f"'{text}" if begins and not _is_number(text) else text


def _shown(text: str) -> list[str]:
    from unicodedata import combining

    shown, marks = list[str](), 0
    for character in text:
        marks = marks + 1 if character >= _FIRST_MARK and combining(character) else 0
        if _seen(character) and marks <= _MOST_MARKS:
            shown.append(character)
        elif character.isspace() and character not in "\x1c\x1d\x1e\x1f\x85":
            shown.append(" ")
        else:
            shown.append(character.encode("unicode_escape").decode("ascii"))
    return shown


def _all_seen(text: str) -> bool:
    """Whether all of it is seen, and nothing in it may pile up."""
    if not text.isprintable():
        return False
    # signs of mathematics, arrows and boxes are common, and no marks
    return text.isascii() or not any(c >= _FIRST_MARK and not "\u2100" <= c <= "\u27ff" for c in text)


def _seen(character: str) -> bool:
    if not character.isprintable():
        return False
    return character not in _UNSEEN and not any(first <= character <= last for first, last in _VARIANTS)


def _is_number(text: str) -> bool:
    import re

    return re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text, re.ASCII) is not None
