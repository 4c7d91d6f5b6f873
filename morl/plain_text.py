r"""Names as they may be shown: text from files and from strangers, without what steers a terminal or a reader's eye.

A run, an agent or an objective may be called anything, in files that somebody sends. Shown as it is, a name could
move the cursor, change the title of a window, turn letters around or begin a line that looks like a message of ours.
"""

from __future__ import annotations

import re
import shlex
import unicodedata

JOINERS = "\u200c\u200d"
"""Invisible letters that Persian, Hindi and emoji need, and that change nothing but how their neighbours look."""


def plain(text: str, *, keep: str = "") -> str:
    r"""The text with every character that is not shown as itself written as its escape; `keep` names exceptions.

    These are control characters (line breaks too), directions of writing, other formats that cannot be seen, and
    bytes of a file's name that are no text.

    >>> plain("safe\x1b[2J\n"), plain("énergie")
    ('safe\\x1b[2J\\n', 'énergie')
    """
    if text.isprintable():
        return text
    return "".join(c if c in keep or c in JOINERS or not _unseen(c) else _escaped(c) for c in text)


def one_line(message: object) -> str:
    """A message for the terminal: plain, and with spaces for its line breaks."""
    return plain(re.sub(r"\s*[\r\n]\s*", " ", str(message).strip()))


def shell_command(*words: object) -> str:
    r"""A command that a shell takes as it is: words are quoted, those with control characters as `$'...'`.

    >>> print(shell_command("morl", "choose", "my runs/a", "-5"))
    morl choose 'my runs/a' -5
    """
    return " ".join(map(_shell_word, map(str, words)))


def path_word(path: object) -> str:
    """A path as a word of a command, where one that begins with a dash would be taken for an option."""
    return f"./{path}" if str(path).startswith("-") else str(path)


def _shell_word(word: str) -> str:
    if plain(word) == word:
        return shlex.quote(word)
    escaped = word.replace("\\", "\\\\").replace("'", "\\'")
    return f"$'{''.join(c if not _unseen(c) else _bytes(c) for c in escaped)}'"


def _unseen(character: str) -> bool:
    nothing = ord(character) & 0xFFFE == 0xFFFE  # which XML does not take
    return nothing or unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def _bytes(character: str) -> str:
    """The bytes of a character as a shell's `$'...'` has them; octal, which the next letter cannot prolong."""
    return "".join(f"\\{byte:03o}" for byte in character.encode("utf-8", "surrogateescape"))
