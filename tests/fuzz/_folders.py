"""Generators of file names, of several inputs at a time, and of what others have put into the output's folder."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

from _case import Case, Complaint, Ended, exits, random_text
from _checks import check_results, read_table
from _commands import ODD, TABLE


def name_case(rng: random.Random, _model: Path) -> Case:
    """A CSV file of an odd name, with the output beside it."""
    kind = rng.choice(["csv", "csv", "csv", "parquet", "jsonl", "txt"])
    stem = "".join(rng.choices(["a", "b.c", "-", ".", *ODD], k=rng.randrange(1, 6)))
    if rng.random() < 0.25:
        stem += "x" * (rng.choice([230, 244, 245, 250, 251, 252, 255, 300, 5000]) - len(os.fsencode(stem)))
    name = f"{stem}.csv" if kind != "csv" or rng.random() < 0.9 or not stem.strip(".") else stem
    written = os.fsencode(name)
    fits = len(written) <= 255
    output = f"{stem}.scored.{kind}" if kind != "csv" else f"{stem}.scored.csv"
    out = os.fsencode(output)
    args = ["file", f"./{name}", "-c", "text"]
    if kind != "csv":
        args += ["-o", f"./{output}"]
    codes = {0} if fits else {3}
    if not fits or len(out) > 255:
        codes = {3} if not fits else {6}
        if not fits and len(out) > 255:
            codes = {3, 6}
    if not name.endswith(".csv"):
        codes, out = {2, 3}, b"none"
    if name == ".csv" or stem.endswith((".gz", ".zst")) or not stem.strip("."):
        codes |= {2}
    files = {written: TABLE} if fits else {}

    def check(ended: Ended) -> Iterator[Complaint]:
        _, rows = read_table(out, ended.files[out])
        if len(rows) != 3:
            yield "rows lost", f"3 rows went in, {len(rows)} came out"

    return Case("names", tuple(args), files, frozenset(codes), frozenset([out]) if 0 in codes else frozenset(), check)


def folder_case(rng: random.Random, model: Path) -> Case:
    return rng.choice([several_case, several_case, planted_case, existing_case])(rng, model)


def several_case(rng: random.Random, _model: Path) -> Case:
    """Several inputs in one command; a damaged one ends it, and the outputs before it stay whole."""
    count = rng.randrange(2, 5)
    kinds = [rng.choice(["csv", "txt", "jsonl"]) for _ in range(count)]
    texts: list[list[str | None]] = [
        [random_text(rng, breaks=False).replace('"', "'").replace("\\", "/") for _ in range(rng.randrange(1, 5))]
        for _ in range(count)
    ]
    texts = [["".join(sign for sign in str(text) if sign.isprintable()) for text in each] for each in texts]
    names = [f"in{index}.{kind}".encode() for index, kind in enumerate(kinds)]
    files = {name: _write(kind, each) for name, kind, each in zip(names, kinds, texts, strict=True)}
    bad = rng.random() < 0.3
    if bad:
        files[names[-1]] = b"text\n\xff" + files[names[-1]]
    into = rng.random() < 0.5
    outputs = [name.replace(b".", b".scored.") for name in names]
    own: list[bytes] = []  # of the folder of outputs
    if into:
        files[b"out/keep"] = b"mine"
        outputs = [b"out/" + name for name in names]
        own = [b"out/_sentscore.jsonl"] if count > 1 else []
    args = ("file", *map(os.fsdecode, names), *(("-o", "out") if into else ()))

    def check(ended: Ended) -> Iterator[Complaint]:
        for output, each in zip(outputs, texts, strict=True):
            _, rows = read_table(output, ended.files[output])
            yield from check_results(ended, each, [row[-2] for row in rows], [row[-1] for row in rows])

    if bad:  # which outputs are there depends on when the fault is seen, so only hidden files count as left
        return Case("several, one bad", args, files, exits(3), frozenset(outputs[:-1] + own), keeps=True)
    return Case("several", args, files, exits(0), frozenset(outputs + own), check)


def planted_case(rng: random.Random, _model: Path) -> Case:
    """A file, a folder or a named pipe that is named like a hidden one of ours must not stop the job."""
    from sentscore.files import hidden_sibling

    suffix = rng.choice(["0a1b2c3d.part", "scores"])
    planted = os.fsencode(hidden_sibling(Path("in.scored.csv"), suffix).name)
    fifo = rng.random() < 0.6
    files = {b"in.csv": TABLE}
    if not fifo:
        files[planted] = rng.randbytes(rng.choice([0, 5, 3000]))
    outputs = frozenset([b"in.scored.csv"])
    flavour = f"planted {'pipe' if fifo else 'file'}, {suffix[-6:]}"
    args = ("file", "in.csv", "-c", "text")
    return Case(
        flavour, args, files, exits(0), outputs, fifos=frozenset([planted]) if fifo else frozenset(), removes=True
    )


def existing_case(rng: random.Random, _model: Path) -> Case:
    """An output that exists is replaced with `--force`, kept with `--skip-existing`, and an error without either."""
    flag = rng.choice(["", "--force", "--skip-existing", "--no-resume"])
    files = {b"in.csv": TABLE, b"in.scored.csv": b"mine"}
    args = ("file", "in.csv", "-c", "text", *([flag] if flag else []))
    if flag == "--force":

        def check(ended: Ended) -> Iterator[Complaint]:
            _, rows = read_table(b"in.scored.csv", ended.files[b"in.scored.csv"])
            if len(rows) != 3:
                yield "rows lost", f"3 rows went in, {len(rows)} came out"

        return Case("existing, forced", args, files, exits(0), frozenset([b"in.scored.csv"]), check)
    return Case("existing", args, files, exits(0) if flag == "--skip-existing" else exits(6))


def _write(kind: str, texts: list[str | None]) -> bytes:
    if kind == "csv":
        return "".join(f'"{text}"\n' for text in ["text", *texts]).encode()
    if kind == "txt":
        return "".join(f"{text}\n" for text in texts).encode()
    return "".join(f'{{"text": "{text}"}}\n' for text in texts).encode()
