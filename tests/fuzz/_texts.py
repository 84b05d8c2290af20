"""Generators of CSV, TSV and text files, of `--whole` and of the command `text`."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterator
from pathlib import Path

from _case import Case, Complaint, Ended, exits, random_name, random_text
from _checks import check_results, kind_of, parse_pairs, read_table

_OUTPUTS = ("o.csv", "o.tsv", "o.jsonl", "o.parquet", "o.txt", "o.csv.gz", "o.jsonl.zst")


def delimited_case(rng: random.Random, kind: str) -> Case:
    """A CSV or TSV file that is whole, in one of the ways of writing it."""
    names = _unlike([random_name(rng) for _ in range(rng.choice([0, 0, 1, 2, 4]))])
    at = rng.randrange(len(names) + 1)
    names.insert(at, rng.choice(["text", "review", "b\u00e9"]))
    rows = [[random_text(rng) for _ in names] for _ in range(rng.choice([0, 1, 2, 3, 8, 30]))]
    end = rng.choice(["\n", "\n", "\r\n", "\r"])
    separator = "\t" if kind == "tsv" else ","
    lines = [
        separator.join(_quote(rng, cell, separator, alone=len(names) == 1) for cell in row) for row in [names, *rows]
    ]
    if len(names) > 1 and rng.random() < 0.1:
        lines.insert(rng.randrange(1, len(lines) + 1), "")
    content = end.join(lines) + (end if rng.random() < 0.7 else "")
    encoded = (b"\xef\xbb\xbf" if rng.random() < 0.2 else b"") + content.encode()
    if content.startswith("\ufeff"):  # which is a part of the first name only behind a byte order mark
        encoded = b"\xef\xbb\xbf" + content.encode()
    output = rng.choice([f"in.scored.{kind}"] * 4 + list(_OUTPUTS))
    return _delimited(f"in.{kind}", encoded, names, rows, at, output, flavour=f"written, ends {end!r}")


def raw_delimited_case(rng: random.Random, kind: str) -> Case:
    """Random characters that mean something in CSV; Python's own reader says what they hold."""
    signs = ['"', '"', ",", "\t", "\r", "\n", "\r\n", "a", "b c", "\u00e9", " ", "\ufeff", '""', "\x00", "'"]
    body = "".join(rng.choices(signs, k=rng.randrange(0, 40)))
    content = rng.choice(["text\n", "text,b\n", "text\tb\r\n", "", "text\r"]) + body
    plain = content.removeprefix("\ufeff")
    separator = "\t" if kind == "tsv" else ","
    name = f"in.{kind}"
    try:
        names, *rows = csv.reader(io.StringIO(plain, newline=""), delimiter=separator, strict=True)
        rows = [row or [""] for row in rows if row or len(names) == 1]
    except (csv.Error, ValueError):
        names, rows = [], []
    if not names or any(len(row) != len(names) for row in rows) or names.count("text") != 1:
        args = ("file", name, "--column=text")
        return Case("raw, bad", args, {name.encode(): content.encode()}, exits(2, 3))
    if {"sentiment", "score"} & set(names):
        return Case("raw, taken", ("file", name, "--column=text"), {name.encode(): content.encode()}, exits(2))
    output = rng.choice([f"in.scored.{kind}", f"in.scored.{kind}", "o.parquet"])
    return _delimited(name, content.encode(), names, rows, names.index("text"), output, flavour="raw")


def _delimited(
    name: str, content: bytes, names: list[str], rows: list[list[str]], at: int, output: str, *, flavour: str
) -> Case:
    out = output.encode()
    args = ["file", name, f"--column={names[at]}"]
    if not output.startswith("in.scored"):
        args += ["-o", output]
    codes = {0}
    if names.count(names[at]) > 1 or (len(set(names)) < len(names) and kind_of(out) == "jsonl"):
        codes = {3}

    def check(ended: Ended) -> Iterator[Complaint]:
        found, read = read_table(out, ended.files[out])
        texts: list[str | None] = [row[at] for row in rows]
        yield from check_results(ended, texts, [row[-2] for row in read], [row[-1] for row in read])
        if len(read) != len(rows) or kind_of(out) == "txt":
            return
        if rows and found[:-2] != names:
            yield "values", f"columns {names} became {found}"
        for row, (before, after) in enumerate(zip(rows, read, strict=True)):
            if after[:-2] != before:
                yield "values", f"row {row}: {before!r} became {after!r}"
                return

    return Case(flavour, tuple(args), {name.encode(): content}, frozenset(codes), frozenset([out]), check)


def _quote(rng: random.Random, cell: str, separator: str, *, alone: bool) -> str:
    special = set(f'"\r\n{separator}') & set(cell)
    if special or (alone and not cell) or rng.random() < 0.3:
        return '"' + cell.replace('"', '""') + '"'
    return cell


def _unlike(names: list[str]) -> list[str]:
    taken = {"text", "review", "b\u00e9", "sentiment", "score"}
    return [f"{name}_" if name in taken else name for name in names]


def csv_case(rng: random.Random, _model: Path) -> Case:
    return (delimited_case if rng.random() < 0.6 else raw_delimited_case)(rng, "csv")


def tsv_case(rng: random.Random, _model: Path) -> Case:
    return (delimited_case if rng.random() < 0.6 else raw_delimited_case)(rng, "tsv")


def marks_case(rng: random.Random) -> Case:
    """Texts of many signs that a step may take more than linear time for."""
    count = rng.choice([1_000, 20_000, 150_000])
    sign = rng.choice(
        [
            "\u0301\u0323",
            "\u0323\u0301\u0345",
            "<br",
            "<br ",
            "\u0130",
            "\u1100",
            "<",
            "'",
            "-",
            "...",
            "\u00a0",
            "\x85",
        ]
    )
    data = rng.choice(["a", "", "\u00e9 "]) + sign * count + rng.choice(["", " x"])
    args = ("file", "in.txt")
    return Case(f"runs of {sign!a}", args, {b"in.txt": data.encode()}, exits(0), frozenset([b"in.scored.txt"]))


def lines_case(rng: random.Random, _model: Path) -> Case:
    """A file of lines, from its name or from stdin, sometimes not UTF-8."""
    if rng.random() < 0.01:
        return marks_case(rng)
    lines = [random_text(rng, breaks=False) for _ in range(rng.choice([0, 1, 2, 5, 30]))]
    lines = [line[:-1] + "\r" + line[-1:] if line and rng.random() < 0.05 else line for line in lines]
    content = "".join(line + rng.choice(["\n", "\n", "\r\n"]) for line in lines)
    if lines and lines[-1] and rng.random() < 0.3:
        content = content.rstrip("\r\n")
        lines[-1] = lines[-1].rstrip("\r\n")
        if not lines[-1]:
            content += "\n"
    data = content.encode()
    if rng.random() < 0.2 or content.startswith("\ufeff"):
        data = b"\xef\xbb\xbf" + data
    if rng.random() < 0.1:
        at = rng.randrange(len(data) + 1)
        data = data[:at] + rng.choice([b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xfe\xff"]) + data[at:]
        try:
            data.decode()
        except UnicodeDecodeError:
            return Case("not UTF-8", ("file", "in.txt"), {b"in.txt": data}, exits(3))
        return Case("mended", ("file", "in.txt"), {b"in.txt": data}, exits(0), frozenset([b"in.scored.txt"]))
    output = rng.choice(["in.scored.txt"] * 3 + list(_OUTPUTS) + ["-"])
    stdin = output == "-"
    args = ("file", "-", "--format", "txt") if stdin else ("file", "in.txt")
    if not stdin and output != "in.scored.txt":
        args += ("-o", output)
    name = b"o.txt" if stdin else output.encode()

    def check(ended: Ended) -> Iterator[Complaint]:
        found = ended.stdout if stdin else ended.files[name]
        _, rows = read_table(name, found)
        texts: list[str | None] = list(lines)
        yield from check_results(ended, texts, [row[-2] for row in rows], [row[-1] for row in rows])
        if len(rows) == len(lines) and [row[0] for row in rows] != lines:
            yield "values", "the lines became others"

    files = {} if stdin else {b"in.txt": data}
    return Case(
        "lines", args, files, exits(0), frozenset() if stdin else frozenset([name]), check, data if stdin else b""
    )


def whole_case(rng: random.Random, _model: Path) -> Case:
    """Files that are one text each."""
    count = rng.randrange(1, 5)
    texts: list[str | None] = [random_text(rng).removeprefix("\ufeff") for _ in range(count)]
    names = [f"n{index}.txt" for index in range(count)]
    files = {name.encode(): str(text).encode() for name, text in zip(names, texts, strict=True)}
    output = rng.choice(["-", "o.jsonl", "o.parquet", "o.csv"])
    out = b"o.csv" if output == "-" else output.encode()

    def check(ended: Ended) -> Iterator[Complaint]:
        _, rows = read_table(out, ended.stdout if output == "-" else ended.files[out])
        yield from check_results(ended, texts, [row[-2] for row in rows], [row[-1] for row in rows])
        if [row[0] for row in rows] != names:
            yield "values", f"the files became {[row[0] for row in rows]}"

    args = ("file", "--whole", "-o", output, *names)
    return Case("whole", args, files, exits(0), frozenset() if output == "-" else frozenset([out]), check)


def text_case(rng: random.Random, _model: Path) -> Case:
    """The command `text`: as a table for people or as JSON, from arguments or stdin."""
    texts: list[str | None] = [random_text(rng, nul=False).replace("\udc80", "") for _ in range(rng.randrange(1, 5))]
    texts = [text for text in texts if text != "-"] or ["x"]
    as_json = rng.random() < 0.7
    if rng.random() < 0.1:
        odd = rng.choice(["\udcff", "good\udc80"])
        return Case("not UTF-8", ("text", "--", odd), {}, exits(3))
    options = ("--json",) if as_json else ()
    stdin = b""
    if rng.random() < 0.2:
        texts = [str(text).replace("\n", " ").replace("\r", " ") for text in texts]
        if str(texts[0]).startswith("\ufeff"):
            texts[0] = "x"
        stdin = "".join(f"{text}\n" for text in texts).encode()
        args: tuple[str, ...] = ("text", *options, "-")
    else:
        args = ("text", *options, "--", *map(str, texts))

    def check(ended: Ended) -> Iterator[Complaint]:
        if as_json:
            rows = [parse_pairs(line) for line in ended.stdout.decode().split("\n")[:-1]]
            results = [dict(row) for row in rows]
            yield from check_results(
                ended, texts, [row["sentiment"] for row in results], [row["score"] for row in results]
            )
            if len(results) == len(texts) and [row["text"] for row in results] != texts:
                yield "values", "the texts became others"

    return Case("json" if as_json else "table", args, {}, exits(0), check=check, stdin=stdin, quiet=not as_json)
