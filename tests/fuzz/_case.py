"""What a generated case is, how it ended, and the random texts that all generators share."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

Complaint = tuple[str, str]
"""A class of faults, one of `CLASSES`, and what is wrong in words."""

ANY: Final = b"*"
"""Stands among a case's outputs for any file whose name is not hidden."""

HANG_S: Final = 10.0
"""The seconds after which a small input counts as hanging."""

CLASSES: Final = ("crash", "hang", "exit code", "rows lost", "values", "leftovers", "stderr")


@dataclass(frozen=True)
class Ended:
    """How a case ended: its exit code, what it printed, and the files of its folder afterwards, by name."""

    code: int
    stdout: bytes
    stderr: str
    files: dict[bytes, bytes]
    score: Callable[[list[str | None]], list[float]]


@dataclass(frozen=True)
class Case:
    """A command line with its files, and what is right for it.

    Attributes:
        flavour: What the generator made, for the table of known faults.
        args: The arguments behind `sentscore`; `--model` is added where `own_model` is not set.
        files: The files of its folder, by name.
        exits: The exit codes that are right.
        outputs: The names of the files that the command may leave in the folder when it ends with 0.
        check: Looks at a case that ended with 0; returns what is wrong.
        stdin: What stands on stdin.
        model: The name of the model that scores.
        precision: What it computes in.
        own_model: Whether the arguments name a model.
        fifos: The names of named pipes that somebody has put into the folder; nobody ever writes to them.
        keeps: Whether outputs may be there after an error too: those of the inputs before it.
        removes: Whether files of the folder may be removed, since they are named like leftovers of ours.
        quiet: Whether stdout must be free of control characters, since it is for people.
    """

    flavour: str
    args: tuple[str, ...]
    files: dict[bytes, bytes]
    exits: frozenset[int]
    outputs: frozenset[bytes] = frozenset()
    check: Callable[[Ended], Iterable[Complaint]] = field(default=lambda ended: ())
    stdin: bytes = b""
    model: str = "lstm"
    precision: str = "fp32"
    own_model: bool = False
    quiet: bool = False
    fifos: frozenset[bytes] = frozenset()
    keeps: bool = False
    removes: bool = False


Generator = Callable[[random.Random, Path], Case]
"""Makes a case of random numbers and the folder of the tiny artifact."""


def exits(*codes: int) -> frozenset[int]:
    return frozenset(codes)


_WORDS: Final = (
    *("the", "a", "film", "was", "great", "awful", "good", "bad", "not", "n't", "loved", "don't", "U.S.A.", "10/10"),
    *("http://x.y/z", "...", ":-)", "(so)", "e-mail"),
)
_SPICE: Final = (
    "",
    " ",
    "\t",
    "\u00a0",
    "\u2028",
    "\u0085",
    "\u0096",
    "\u200d",
    "\u202e",
    "\ufeff",
    "\ufffd",
    "\u0301",
    "e\u0301\u0323",
    "\u1e9b\u0323",
    "\u0130",
    "\u00df",
    "\U0001f600\U0001f3fd",
    "\U0010ffff",
    "\u4e00\u4e8c",
    "\u0645\u0631\u062d\u0628\u0627",
    "\x00",
    "\x07",
    "\x1b[31m",
    "\x1c",
    "\x7f",
    "<br />",
    "<br",
    "<BR/>",
    "&amp;",
    '"',
    "''",
    ",",
    ";",
    "\\",
    "\\u0041",
    "{",
    "}",
    "null",
    "NaN",
    "=1+1",
    "%s",
    "{0}",
    "\x01" * 3,
    "a" * 300,
    "\u0301" * 70,
)


def random_text(rng: random.Random, *, breaks: bool = True, nul: bool = True) -> str:
    """Returns a text: often words, sometimes blank, sometimes strange, seldom long."""
    kind = rng.random()
    if kind < 0.08:
        return rng.choice(["", " ", "  ", "\t", "\u00a0 ", "\u2003", "\x1c"])
    parts = rng.choices(_WORDS, k=rng.randrange(1, 9))
    if kind > 0.5:
        parts += rng.choices(_SPICE, k=rng.randrange(1, 5))
        rng.shuffle(parts)
    if kind > 0.85:
        parts.append("".join(chr(_random_code(rng)) for _ in range(rng.randrange(1, 12))))
    if kind > 0.995:
        parts *= rng.randrange(100, 2_000)
    if breaks and rng.random() < 0.1:
        parts.insert(rng.randrange(len(parts) + 1), rng.choice(["\n", "\r\n", "\r", "\n\n", "\n\r"]))
    text = rng.choice([" ", " ", ""]).join(parts)
    if not breaks:
        text = text.replace("\n", " ").replace("\r", " ")
    return text if nul else text.replace("\x00", " ")


def _random_code(rng: random.Random) -> int:
    code = rng.choice([rng.randrange(0x80), rng.randrange(0x800), rng.randrange(0x1_0000), rng.randrange(0x11_0000)])
    return 0xFFFD if 0xD800 <= code <= 0xDFFF else code


def random_name(rng: random.Random) -> str:
    """Returns the name of a column."""
    return rng.choice(
        [
            f"c{rng.randrange(1000)}",
            f"c{rng.randrange(1000)}",
            random_text(rng, nul=False)[:40],
            rng.choice(
                ["", " ", "text ", "Text", "score ", "a.b", "\x1b[2J", "a\nb", "--help", "\u00e9" * 60, "\u202ex"]
            ),
        ]
    )
