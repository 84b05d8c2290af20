"""Generators of JSON lines: kept as they stand, made into tables, and broken."""

from __future__ import annotations

import decimal
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from _case import Case, Complaint, Ended, exits, random_name, random_text
from _checks import check_results, kind_of, parse_pairs, read_table

_NUMBERS = (0, 1, -7, 2**53 + 1, 12345678901234567890, 2**63, -(2**63), 10**30, 1.5, 0.1, 1e300, -0.0, 5e-324)


def jsonl_case(rng: random.Random, _model: Path) -> Case:
    """Objects of random values; each text is a string or null."""
    keys = [f"{random_name(rng)}!" for _ in range(rng.choice([0, 1, 2, 3]))]
    table = rng.random() < 0.4
    makers = {key: rng.choice(_MAKERS) for key in keys}
    rows: list[dict[str, Any]] = []
    for _ in range(rng.choice([0, 1, 2, 3, 10, 30])):
        row = {key: makers[key](rng) if table or rng.random() < 0.7 else rng.choice(_MAKERS)(rng) for key in keys}
        text = None if rng.random() < 0.1 else random_text(rng)
        if text is not None and rng.random() < 0.03:
            text += rng.choice(["\ud800", "\udfff x", "\udc00\ud800"])
        items = [*row.items(), ("text", text)]
        rng.shuffle(items)
        if rng.random() < 0.2:
            items = [item for item in items if rng.random() < 0.8]
        rows.append(dict(items))
    if rows:
        rows[0].setdefault("text", "good")
    if rows and not any(row.get("text") for row in rows):
        rows[0]["text"] = "good"
    lines = [_write(rng, row) for row in rows]
    content = "".join(line + rng.choice(["\n", "\n", "\n", "\r\n", "\n\n", "\n \n"]) for line in lines)
    data = (b"\xef\xbb\xbf" if rng.random() < 0.1 else b"") + content.encode()
    output = rng.choice(["o.csv", "o.parquet", "o.tsv", "o.parquet.zst"]) if table else "in.scored.jsonl"
    args = ("file", "in.jsonl", "-c", "text", *(("-o", output) if table else ()))
    out = output.encode()
    texts = [_mend(row.get("text")) for row in rows]

    def check(ended: Ended) -> Iterator[Complaint]:
        names, read = read_table(out, ended.files[out])
        if not table:
            content = ended.files[out].decode()
            objects = [parse_pairs(line) for line in content.split("\n")[:-1]]
            yield from check_results(ended, texts, [row[-2][1] for row in objects], [row[-1][1] for row in objects])
            if len(objects) == len(lines) and [row[:-2] for row in objects] != [parse_pairs(line) for line in lines]:
                yield "values", "the objects became others"
            return
        yield from check_results(ended, texts, [row[-2] for row in read], [row[-1] for row in read])
        if len(read) == len(rows):
            yield from _check_values(rows, names, read, text=kind_of(out) != "parquet")

    flavour = "table" if table else "kept"
    codes = exits(0, 3) if table else exits(0)
    return Case(flavour, args, {b"in.jsonl": data}, codes, frozenset([out]), check)


def broken_jsonl_case(rng: random.Random, _model: Path) -> Case:
    """Lines that are not JSON, not objects, too deep, of odd numbers, or a mutation of good ones."""
    odd = rng.choice(
        [
            "[" * 100_000,
            '{"text":' * 5_000 + "1" + "}" * 5_000,
            '{"text": "a", "n": ' + "9" * 5_000 + "}",
            '{"text": "a"',
            '{"text": 1}',
            '{"text": ["a"]}',
            '{"text": {"a": "b"}}',
            '{"text": "a"}}',
            '{"text": "a"} {"text": "b"}',
            "null",
            '"text"',
            "[]",
            "{}",
            '{"text": "a", "score": 1}',
            '{"text": "a", "sentiment": null}',
            '{"text": "a\x01"}',
            "\x00",
            '{"text": "\\ud800"}',
            '{"text": "a", "m": {}}',
            '{"text": "a", "m": [{}, {"x": [[]]}]}',
            '{"text": "a", "n": 1e999}',
            '{"text": "a", "n": NaN}',
            '{"text": "a", "": {"": {"": null}}}',
            '{"text": "a", "a": 1, "a": "x"}',
            '{"text": "a", "text": "b"}',
            '{"text": "a", "t": "2020-01-01T00:00:00Z"}',
        ]
    )
    lines = ['{"text": "good"}', odd] if rng.random() < 0.7 else [odd]
    if rng.random() < 0.4:
        line = rng.randrange(len(lines))
        if len(lines[line]) < 200:
            at = rng.randrange(len(lines[line]) + 1)
            lines[line] = (
                lines[line][:at] + rng.choice(['"', "}", "{", "\\", ",", "\t", "\u00e9", "0"]) + lines[line][at + 1 :]
            )
    rng.shuffle(lines)
    output = rng.choice(["in.scored.jsonl", "o.parquet", "o.csv"])
    args = ("file", "in.jsonl", *(() if output.startswith("in.") else ("-o", output)))
    out = output.encode()

    def check(ended: Ended) -> Iterator[Complaint]:
        _, rows = read_table(out, ended.files[out])
        if len(rows) != len(lines):
            yield "rows lost", f"{len(lines)} lines went in, {len(rows)} came out"

    content = "".join(line + "\n" for line in lines).encode()
    return Case("broken", args, {b"in.jsonl": content}, exits(0, 2, 3), frozenset([out]), check)


def any_jsonl_case(rng: random.Random, model: Path) -> Case:
    return (jsonl_case if rng.random() < 0.7 else broken_jsonl_case)(rng, model)


def _any(rng: random.Random, depth: int = 0) -> Any:
    kind = rng.randrange(7 if depth < 3 else 5)
    if kind == 5:
        return [_any(rng, depth + 1) for _ in range(rng.randrange(3))]
    if kind == 6:
        return {random_text(rng)[:9]: _any(rng, depth + 1) for _ in range(rng.randrange(3))}
    return rng.choice([None, True, random_text(rng), rng.choice(_NUMBERS), "2020-01-01"])


_MAKERS = (
    lambda rng: rng.choice([True, False, None]),
    lambda rng: rng.choice([0, 1, -7, 2**31, None]),
    lambda rng: rng.choice([number for number in _NUMBERS if isinstance(number, int)]),
    lambda rng: rng.choice(_NUMBERS),
    lambda rng: rng.choice([1.5, 0.1, None, -2.0]),
    random_text,
    lambda rng: rng.choice(["2020-01-01", "2020-01-01T10:00:00Z", "x", None]),
    lambda rng: [rng.choice(_NUMBERS[:3]) for _ in range(rng.randrange(3))],
    lambda rng: {"x": rng.choice(_NUMBERS), "y": random_text(rng)},
    lambda rng: {},
    lambda rng: None,
    _any,
)


def _write(rng: random.Random, row: dict[str, Any]) -> str:
    separators = rng.choice([(", ", ": "), (",", ":"), (" , ", " :\t")])
    line = json.dumps(row, ensure_ascii=rng.random() < 0.5 or _has_surrogates(row), separators=separators)
    return rng.choice(["", "", " ", "\t"]) + line + rng.choice(["", "", " ", "\t "])


def _has_surrogates(value: object) -> bool:
    return any("\ud800" <= sign <= "\udfff" for sign in json.dumps(value, ensure_ascii=False))


def _mend(text: str | None) -> str | None:
    return None if text is None else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _check_values(
    rows: list[dict[str, Any]], names: list[str], read: list[list[Any]], *, text: bool
) -> Iterator[Complaint]:
    for row, (before, after) in enumerate(zip(rows, read, strict=True)):
        found = dict(zip(names, after, strict=True))
        for key, value in before.items():
            if key not in found:
                yield "values", f"row {row}: no column {key!r}"
                return
            if not is_same(value, found[key], text=text):
                yield "values", f"row {row}: {key!r} {value!r:.100} became {found[key]!r:.100}"
                return


def is_same(value: Any, found: Any, *, text: bool) -> bool:  # noqa: PLR0911 - a line a type
    """Returns whether a value of JSON is what stands in a table: as itself, as text, or as JSON in a column of text."""
    if value is None:
        return found is None or (text and found in {"", "null"})
    if isinstance(value, bool):
        return found is value or str(found).lower() == str(value).lower()
    if isinstance(value, (int, float)):
        try:
            # A double may be written shorter than it is: 9.223372036854776e+18 is 2**63.
            return value in {decimal.Decimal(str(found)), decimal.Decimal(float(found))}
        except (decimal.InvalidOperation, ValueError, TypeError, OverflowError):
            return False
    if isinstance(value, str):
        return found == _mend(value) or (not text and found == value)
    if isinstance(found, str):
        try:
            found = json.loads(found)
        except ValueError:
            return False
    if isinstance(value, list):
        return (
            isinstance(found, list)
            and len(found) == len(value)
            and all(is_same(one, two, text=False) for one, two in zip(value, found, strict=True))
        )
    if not isinstance(found, dict):
        return found is None and not value
    return all(is_same(value.get(key), found.get(key), text=False) for key in {*value, *found})
