"""What a folder of outputs holds: which input each output was made from, by what, and whether the last run ended.

It is kept in `_sentscore.jsonl` in that folder, to which lines are only appended. Paths of inputs are below their root,
and a root is relative to that folder, so inputs and outputs can be moved together. Nothing in it varies between equal
runs, however often they were killed:

    {"run": "begun", "made_by": {"models": [...], "options": {...}}, "incremental": false}
    {"begun": "a.parquet", "root": "../lake", "input": "a.parquet", "size": 1024, "version": "1795788000000000000"}
    {"done": "a.parquet"}
    {"run": "finished"}

A file is begun before its output takes its place, so whatever has the output's name then is one of ours.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

from sentscore.errors import OutputError
from sentscore.files import lock, output_errors
from sentscore.jobs.inputs import Input
from sentscore.jobs.stored_state import StoredState, find_related, local_state, relate
from sentscore.stores import Place, StorePath

STATE_NAME: Final = "_sentscore.jsonl"

MadeBy = Mapping[str, Any]
"""What an output depends on besides its input, as it stands in JSON: models, precisions, options."""

Change = Literal["new", "changed", "made by another", "same"]
"""What an input is to the outputs: it has none, has changed since, has one by another model or option, or is done."""


@dataclass(slots=True)
class _Output:
    """What is known of an output.

    Attributes:
        input: A digest of its input as it was when it was begun last.
        root: The folder that the input is in or below, as a path from the outputs' folder.
        source: The input's path below that folder; empty where it is the output's.
        made_by: Which of the folder's models and options it was begun with last.
        run: In which run that was, from 1.
        done: Whether it was finished then.
        made: Whether there is one, perhaps of an earlier input.
        seen: Whether its input is among those of now.
    """

    input: bytes
    root: str
    source: str
    made_by: int
    run: int
    done: bool = False
    made: bool = False
    seen: bool = False


class State:
    """What a folder of outputs holds. The file is locked while it is open. That of a folder in a store is a copy.

    Args:
        folder: The folder, which need not exist.

    Attributes:
        unfinished: What the last run made outputs by, if it did not end; None if it did.
        incremental: Whether the last run left out what had been made before it.

    Raises:
        OutputError: The file cannot be written or read, or another run has locked it.
    """

    def __init__(self, folder: Place) -> None:
        self.unfinished: MadeBy | None = None
        self.incremental = False
        self._folder = folder
        self._stored = StoredState(folder / STATE_NAME) if isinstance(folder, StorePath) else None
        self._path = folder / STATE_NAME if isinstance(folder, Path) else local_state(folder / STATE_NAME)
        self._outputs: dict[str, _Output] = {}
        self._roots: dict[str, str] = {}
        self._made_by: list[MadeBy] = []
        self._now = 0  # the index of what outputs are made by
        self._run = 0
        self._file: BinaryIO | None = None
        self._unsent = False  # whether lines were appended that the copy in the store may lack
        if self._stored is not None or os.path.lexists(self._path):
            self._open("r+b" if os.path.lexists(self._path) else "x+b")
            try:
                if self._stored is not None and self._file is not None:
                    self._stored.fetch(self._file)
                self._read()
            except BaseException:
                self.close()
                raise

    @property
    def is_empty(self) -> bool:
        """Whether no run has made an output."""
        return not any(found.made for found in self._outputs.values())

    def owns(self, output: str) -> bool:
        """Returns whether an output is one that a run has made here, or was about to make when it was stopped."""
        found = self._outputs.get(output)
        return found is not None and (found.made or (self.unfinished is not None and found.run == self._run))

    def begin_run(self, made_by: MadeBy, *, incremental: bool = False) -> None:
        """Begins a run, or goes on with the one that was not finished, if it made outputs by the same.

        Args:
            made_by: What outputs are made by.
            incremental: Whether a new run leaves out what was made before it.

        Raises:
            OutputError: The file cannot be written, or another run has made one meanwhile.
        """
        if self._file is None and isinstance(self._folder, Path):
            with output_errors(str(self._folder)):
                self._folder.mkdir(parents=True, exist_ok=True)
            self._open("x+b")
        if self.unfinished != made_by:
            self._note_run(made_by, incremental)
            self._append({"run": "begun", "made_by": made_by, "incremental": incremental})
        self._send(now=True)

    def end_run(self) -> None:
        """Says that all jobs of the run are done, or are not going to be."""
        self._append({"run": "finished"})
        self.unfinished = None
        if self._file is not None:
            with suppress(OSError):
                os.fsync(self._file.fileno())
        self._send(now=True)

    def compare(self, output: str, input: Input, made_by: MadeBy) -> Change:
        """Returns what an input is to its output, and remembers that it is there.

        Args:
            output: The output's path in the folder, with `/` between folders, as in all methods.
            input: The input.
            made_by: What the output would be made by now.

        Raises:
            OutputError: The output was made from a file of another folder, which is still there.
        """
        found = self._outputs.get(output)
        if found is None:
            return "new"
        found.seen = True
        if found.made and found.root != self._find_root(input) and self._find_source(output, found).exists():
            raise OutputError(
                f"{self._folder / output}: was made from {self._find_source(output, found)}, and {input.name} would "
                "replace it: give another --output"
            )
        if not found.made or not self._exists(output):
            return "new"
        if found.input != _digest(input):
            return "changed"
        if self._made_by[found.made_by] != made_by:
            return "made by another"
        return "same" if found.done else "changed"

    def is_done_now(self, output: str, input: Input) -> bool:
        """Returns whether the run that goes on has made an output already, from the same input."""
        found = self._outputs.get(output)
        is_done = found is not None and found.done and found.run == self._run and found.input == _digest(input)
        return is_done and self.unfinished is not None and self._exists(output)

    def begin(self, output: str, input: Input) -> None:
        """Says that an output is going to be made."""
        digest = _digest(input)
        found = self._outputs.get(output)
        if found is not None and not found.done and (found.input, found.run) == (digest, self._run):
            return  # a run that was killed has said so
        root = self._find_root(input)
        self._begin(output, digest, root, input.relative)
        self._append(
            {
                "begun": output,
                "root": root,
                "input": input.relative,
                "size": input.size,
                "version": input.version,
            }
        )
        self._send()

    def end(self, output: str) -> None:
        """Says that an output was made."""
        self._end(output)
        self._append({"done": output})

    def gone(self) -> Iterator[str]:
        """Yields the paths of outputs that are there, but whose inputs are not."""
        for name, found in self._outputs.items():
            if found.made and not found.seen and self._exists(name) and not self._find_source(name, found).exists():
                yield str(self._folder / name)

    def close(self) -> None:
        """Closes the file, so that other runs can go on."""
        with suppress(OutputError):  # a run that could not send it has said so, or ends with an error of its own
            if self._unsent:
                self._send(now=True)
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None

    def _find_root(self, input: Input) -> str:
        """Returns the folder that an input is in or below, as a path from this folder."""
        folder = input.root or os.path.dirname(input.name)  # noqa: PTH120 - there may be millions
        if folder not in self._roots:
            self._roots[folder] = relate(folder, self._folder)
        return self._roots[folder]

    def _find_source(self, name: str, found: _Output) -> Place:
        return find_related(self._folder, found.root, found.source or name)

    def _exists(self, output: str) -> bool:
        return (self._folder / output).exists()

    def _open(self, mode: str) -> None:
        try:
            with output_errors(str(self._path)):
                file: BinaryIO = self._path.open(mode, buffering=0)  # type: ignore[assignment]
        except OutputError as error:
            if isinstance(error.__cause__, FileExistsError):
                raise self._in_use() from error
            raise
        if lock(file) is False:
            file.close()
            raise self._in_use()
        self._file = file

    def _in_use(self) -> OutputError:
        return OutputError(f"{self._folder}: another run is writing there: wait for it, or give another --output")

    def _read(self) -> None:
        with output_errors(str(self._path)):
            if self._file is None:
                return
            end = 0
            with self._path.open("rb") as file:
                for number, line in enumerate(file, 1):
                    if not line.endswith(b"\n"):  # a kill came in the middle
                        break
                    end += len(line)
                    self._read_line(line, number)
            self._file.truncate(end)
            self._file.seek(end)

    def _read_line(self, line: bytes, number: int) -> None:
        try:
            entry = json.loads(line)
            if "run" in entry:
                if entry["run"] == "begun":
                    self._note_run(entry["made_by"], bool(entry.get("incremental")))
                else:
                    self.unfinished = None
            elif "begun" in entry:
                digest = _digest_input(entry["input"], entry["size"], entry["version"])
                self._begin(entry["begun"], digest, sys.intern(entry["root"]), entry["input"])
            else:
                self._end(entry["done"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise OutputError(
                f"{self._path}: line {number} is damaged: remove the file, and give --skip-existing or --force"
            ) from error

    def _note_run(self, made_by: MadeBy, incremental: bool) -> None:
        if self.unfinished is not None:  # what it was about to make when it was stopped may be there
            for name, found in self._outputs.items():
                if found.run == self._run and not found.done and self._exists(name):
                    found.made = True
        if made_by not in self._made_by:
            self._made_by.append(made_by)
        self._now = self._made_by.index(made_by)
        self._run += 1
        self.unfinished, self.incremental = made_by, incremental

    def _begin(self, name: str, digest: bytes, root: str, source: str) -> None:
        found = self._outputs.get(name)
        made = found is not None and found.made
        self._outputs[name] = _Output(digest, root, "" if source == name else source, self._now, self._run, made=made)

    def _end(self, name: str) -> None:
        found = self._outputs[name]
        found.done = found.made = True

    def _append(self, entry: Mapping[str, object]) -> None:
        with output_errors(str(self._path)):
            if self._file is not None:
                self._file.write(json.dumps(entry).encode() + b"\n")
                self._unsent = True

    def _send(self, *, now: bool = False) -> None:
        if self._stored is not None:
            self._stored.send(now=now)
            self._unsent = self._unsent and not now


def _digest(input: Input) -> bytes:
    return _digest_input(input.relative, input.size, input.version)


def _digest_input(relative: str, size: int, version: str) -> bytes:
    return hashlib.blake2b(json.dumps([relative, size, version]).encode(), digest_size=12).digest()
