"""Generators of command lines and file names: every combination ends with a promised code and one line."""

from __future__ import annotations

import random
from pathlib import Path

from _case import ANY, Case, exits, random_text

TABLE = b'text,n\ngood,1\nbad,2\n"",3\n'
ODD = (
    "\udcff",
    "\x1b[31m",
    "\n",
    "\t",
    " ",
    "\u202e",
    "\u00e9",
    "*",
    "'",
    '"',
    "%s",
    "{0}",
    "\\",
    "\u2028",
    "\x7f",
    "#",
)


def exact_case(rng: random.Random, _model: Path) -> Case:
    """Command lines whose exit code README and DESIGN promise."""
    odd = rng.choice(ODD)
    long = "x" * rng.choice([256, 300, 5000])
    lines: list[tuple[tuple[str, ...], tuple[int, ...]]] = [
        (("file", "in.csv", "-o", ""), (2,)),
        (("file", ""), (2, 3)),
        (("file", "in.csv", "-c", ""), (3,)),
        (("file", "in.csv", "-c", f"no{odd}"), (2, 3)),
        (("file", "in.csv", "-c", "n", "-o", f"{long}.csv"), (6,)),
        (("file", f"{long}.csv"), (3, 6)),
        (("file", "in.csv", "--format", odd), (2,)),
        (("file", "in.csv", "-o", "nowhere/o.csv"), (6,)),
        (("file", "in.csv", "-o", "in.csv", "-f"), (2,)),
        (("file", "in.csv", "-o", "./in.csv"), (2,)),
        (("file", "in.csv", "-o", f"o{odd}"), (2,)),
        (("file", "in.csv", "in.csv"), (2,)),
        (("file", "in.csv", "other.csv", "-o", "o.csv"), (2,)),
        (("file", "none.csv"), (3,)),
        (("file", f"none{odd}.csv"), (3,)),
        (("file", f"none{odd}.parquet"), (2, 3)),
        (("file", "in.csv", "-c", "text", "-o", "taken.csv"), (6,)),
        (("file", "in.csv", "--threads", rng.choice(["0", "-1", "x", "", "1.5"])), (2,)),
        (("file", "in.csv", "--device", odd), (2,)),
        (("file", "in.csv", "--precision", odd), (2,)),
        (("file", "in.csv", "--whole", "-c", "text"), (2,)),
        (("file", "in.csv", "--force", "--skip-existing"), (2,)),
        (("file", "-", "--format", "parquet"), (3,)),
        (("file", "-", "-o", "o.csv", "--format", "csv"), (3,)),
        (("file", "--whole", "none"), (3,)),
        (("file", "in.csv", "-m", f"no{odd}model"), (4,)),
        (("file", "in.csv", "-m", long), (4,)),
        (("file", "in.csv", "-m", ""), (4,)),
        (("file", "in.csv", "-m", "."), (4,)),
        (("file", "in.csv", "--no-such"), (2,)),
        ((f"odd{odd}",), (2,)),
        (("file", "."), (2, 3)),
        (("file", "..", "-o", "o.csv"), (2, 3)),
        (("file", "in.csv/x.csv"), (3, 6)),
        (("file", "empty.csv"), (3,)),
        (("file", "empty.parquet"), (3,)),
        (("file", "empty.csv", "-o", "o.parquet", "--prefix", "\udcff"), (2, 3)),
    ]
    args, codes = rng.choice(lines)
    files = {b"in.csv": TABLE, b"other.csv": TABLE, b"taken.csv": b"mine", b"empty.csv": b"", b"empty.parquet": b""}
    return Case(f"exact: {' '.join(args)[:60]!a}", args, files, frozenset(codes), own_model="-m" in args)


def option_case(rng: random.Random, _model: Path) -> Case:
    """Options of random values, right and wrong; any promised code will do, but nothing unexpected."""
    values = ["", "0", "1", "-1", "99999999999999999999", "text", "n", ".", "-", "--", "csv", "o.csv", "o.parquet"]
    values += ["o.jsonl.gz", "/dev/null", "in.csv", "taken.csv", "nan", "a" * 300, "\udcff.csv", "\x1b[2J"]
    values += [random_text(rng, nul=False), random_text(rng, nul=False)[:8]]
    options = ["-c", "-o", "--prefix", "--format", "--threads", "--batch-tokens", "--device", "--precision"]
    flags = ["--whole", "-f", "--skip-existing", "--no-resume", "--resume"]
    args = ["file", *rng.choices(["in.csv", "other.csv", "-", "in.jsonl"], k=rng.choice([1, 1, 1, 2]))]
    for option in rng.sample(options, k=rng.randrange(0, 4)):
        value = rng.choice(values)
        args += [f"{option}={value}"] if option.startswith("--") else [option + value] if value else [option, value]
    args += rng.sample(flags, k=rng.choice([0, 0, 1, 2]))
    if rng.random() < 0.4 and "-c" not in " ".join(args):
        args += ["-c", "text"]
    files = {b"in.csv": TABLE, b"other.csv": TABLE, b"in.jsonl": b'{"text": "good"}\n', b"taken.csv": b"mine"}
    # What may come of it is any output that is named; the folder is not looked at for more than hidden files.
    return Case("options", tuple(args), files, exits(0, 2, 3, 5, 6), frozenset([ANY]), stdin=b"text\ngood\n")


def command_case(rng: random.Random, model: Path) -> Case:
    return rng.choice([exact_case, exact_case, option_case, option_case, option_case])(rng, model)
