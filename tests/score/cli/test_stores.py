"""`sentscore file` from a store and to a store."""

from __future__ import annotations

import gzip
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError

from sentscore.jobs.state import STATE_NAME
from sentscore.stores.cache import cache_folder
from sentscore.stores.filesystems import cannot_read
from sentscore.stores.reading import ObjectFile
from sentscore.stores.s3_upload import S3Upload


def parquet(*texts: str, **columns: list[str]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"review": list(texts), **columns}), out, row_group_size=2)
    return out.getvalue()


@pytest.fixture
def lake(s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A bucket with files in partitions."""
    for number in range(4):
        s3.put(f"lake/dt={number // 2}/part-{number % 2}.parquet", parquet(f"a great film {number}", "awful", "a plot"))
    s3.put("lake/dt=1/more.csv.gz", gzip.compress(b"id,review\n1,a wonderful film\n2,\n"))
    s3.put("lake/_SUCCESS", b"")
    s3.put("lake/notes.doc", b"")
    monkeypatch.chdir(tmp_path)
    return s3


NAMES = ["dt=0/part-0.parquet", "dt=0/part-1.parquet", "dt=1/more.csv.gz", "dt=1/part-0.parquet", "dt=1/part-1.parquet"]


def files(folder: Path) -> dict[str, bytes]:
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    found.pop(STATE_NAME, None)
    return found


def outputs(bucket, prefix: str) -> dict[str, bytes]:
    found = {key.removeprefix(prefix): data for key, data in bucket.tree().items() if key.startswith(prefix)}
    found.pop(STATE_NAME, None)
    return found


def test_a_prefix_becomes_the_same_tree_here_and_there(lake, tiny_artifact: Path, invoke) -> None:
    result = invoke("file", f"{lake.uri}/lake", "-m", tiny_artifact, "-o", "here/")
    assert result.exit_code == 0, result.stderr
    assert "left out 1 with names that begin with . or _, 1 of unknown formats" in result.stderr
    here = files(Path("here"))
    assert sorted(here) == NAMES
    assert gzip.decompress(here["dt=1/more.csv.gz"]).startswith(b"id,review,sentiment,score\n1,a wonderful film,")
    result = invoke("file", f"{lake.uri}/lake/", "-m", tiny_artifact)
    assert result.exit_code == 0, result.stderr
    assert result.stderr.count(f"-> {lake.uri}/lake.scored; left out") == 1
    assert outputs(lake, "lake.scored/") == here
    result = invoke("file", "here", "-m", tiny_artifact, "--prefix", "again_", "-o", f"{lake.uri}/again/")
    assert result.exit_code == 0, result.stderr
    assert sorted(outputs(lake, "again/")) == NAMES
    assert lake.uploads() == []


def test_a_pattern_and_one_object(lake, tiny_artifact: Path, invoke, assert_one_line) -> None:
    result = invoke("file", f"{lake.uri}/lake/dt=*/part-?.parquet", "-m", tiny_artifact, "-o", "out", "--to", "jsonl")
    assert result.exit_code == 0, result.stderr
    assert sorted(files(Path("out"))) == [name.replace("parquet", "jsonl") for name in NAMES if "part" in name]
    one = f"{lake.uri}/lake/dt=1/more.csv.gz"
    result = invoke("file", one, "-m", tiny_artifact)
    assert result.exit_code == 0, result.stderr
    assert "lake/dt=1/more.scored.csv.gz" in lake.tree()
    assert_one_line(invoke("file", one, "-m", tiny_artifact), 6, r"more\.scored\.csv\.gz: exists already: give --force")
    assert invoke("file", one, "-m", tiny_artifact, "--force").exit_code == 0
    named = invoke("file", one, "-m", tiny_artifact, "-o", f"{lake.uri}/one.parquet")
    assert named.exit_code == 0, named.stderr
    assert pq.read_table(io.BytesIO(lake.get("one.parquet")))["id"].to_pylist() == ["1", "2"]


def test_the_second_night(lake, tiny_artifact: Path, invoke, assert_one_line) -> None:
    command = ("file", f"{lake.uri}/lake", "-m", tiny_artifact)
    assert invoke(*command).exit_code == 0
    first = outputs(lake, "lake.scored/")
    assert_one_line(invoke(*command), 6, "exists already: give --force .*, --incremental to .*, --skip-existing to")
    lake.put("lake/dt=1/part-1.parquet", parquet("not bad"))
    lake.put("lake/dt=2/part-0.parquet", parquet("a new one"))
    lake.client.delete_object(Bucket=lake.name, Key="lake/dt=0/part-0.parquet")
    result = invoke(*command, "--incremental")
    assert result.exit_code == 0, result.stderr
    gone = f"1 outputs stay whose inputs are gone: {lake.uri}/lake.scored/dt=0/part-0.parquet"
    assert f"1 new, 1 changed, 0 made by another model or other options, 3 as they were; {gone}" in result.stderr
    second = outputs(lake, "lake.scored/")
    changed = {name for name in second if second[name] != first.get(name)}
    assert changed == {"dt=1/part-1.parquet", "dt=2/part-0.parquet"}
    lines = [json.loads(line) for line in lake.get(f"lake.scored/{STATE_NAME}").splitlines()]
    assert lines[-1] == {"run": "finished"}
    assert {line["root"] for line in lines if "begun" in line} == {"../lake"}
    # What another machine knows is what is in the store.
    for path in (cache_folder() / "folders").iterdir():
        path.unlink()
    result = invoke(*command, "--incremental")
    assert "0 new, 0 changed, 0 made by another model or other options, 5 as they were" in result.stderr


def test_nothing_is_kept_of_a_folder_that_was_removed(lake, tiny_artifact: Path, invoke) -> None:
    command = ("file", f"{lake.uri}/lake/dt=0", "-m", tiny_artifact, "-o", f"{lake.uri}/out/")
    assert invoke(*command).exit_code == 0
    for key in outputs(lake, "out/"):
        lake.client.delete_object(Bucket=lake.name, Key=f"out/{key}")
    lake.client.delete_object(Bucket=lake.name, Key=f"out/{STATE_NAME}")
    result = invoke(*command)
    assert result.exit_code == 0, result.stderr
    assert sorted(outputs(lake, "out/")) == ["part-0.parquet", "part-1.parquet"]


def test_dropped_connections_are_said_once_and_stop_nothing(
    lake, tiny_artifact: Path, invoke, dropping_proxy, monkeypatch: pytest.MonkeyPatch, read_report
) -> None:
    proxy = dropping_proxy(9)
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    result = invoke("file", f"{lake.uri}/lake", "-m", tiny_artifact, "-o", f"{lake.uri}/out/", "--report", "run.json")
    assert result.exit_code == 0, result.stderr
    assert proxy.dropped > 2
    assert sorted(outputs(lake, "out/")) == NAMES
    [warning] = read_report(Path("run.json"))["warnings"]
    assert warning.endswith("trying again, here and whenever that happens")
    assert result.stderr.count("trying again") == 1
    assert lake.uploads() == []


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("{}/none.csv",), 3, r"none\.csv: no such object: check the URI"),
        (("{}/none/",), 3, "none/: holds no file to score"),
        (("{}/none/*.csv",), 3, "as a pattern it matches none"),
        (("{}/lake", "-o", "{}/lake/"), 2, "is the folder of the inputs itself"),
        (("{}/",), 2, "is a whole bucket, beside which no folder can lie: give an --output"),
        (("{}/lake/dt=1/more.csv.gz", "-o", "{}/lake/dt=1/more.csv.gz"), 2, "is the input itself"),
        (("{}/lake/notes.doc",), 2, "its name does not tell a format"),
    ],
)
def test_what_does_not_fit(lake, arguments, code, message, tiny_artifact: Path, invoke, assert_one_line) -> None:
    before = lake.tree()
    assert_one_line(invoke("file", *(each.format(lake.uri) for each in arguments), "-m", tiny_artifact), code, message)
    assert lake.tree() == before


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl.gz"])
def test_an_upload_that_fails_leaves_nothing(
    lake, ending: str, tiny_artifact: Path, invoke, assert_one_line, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = lake.put("big.parquet", parquet(*["a film"] * 50, more=[os.urandom(2_000).hex() for _ in range(50)]))
    before = lake.tree()

    def refuse(upload: S3Upload, number: int, content: bytes) -> str:
        if number > 2:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "not any more"}}, "UploadPart")
        return send(upload, number, content)

    send = S3Upload._send_part
    monkeypatch.setattr(S3Upload, "_send_part", refuse)
    result = invoke("file", name, "-m", tiny_artifact, "-o", f"{lake.uri}/out.{ending}")
    assert_one_line(result, 6, rf"out\.{ending}: cannot be written .*AccessDenied.*: check the bucket, the credentials")
    assert (lake.tree(), lake.uploads()) == (before, [])


def test_a_store_that_does_not_answer_makes_no_input_a_bad_one(
    lake, tiny_artifact: Path, invoke, assert_one_line, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(file: ObjectFile, start: int, length: int) -> bytes:
        raise cannot_read(file._name, OSError("AWS Error SERVICE_UNAVAILABLE"))

    monkeypatch.setattr(ObjectFile, "_read_range", fail)
    result = invoke("file", f"{lake.uri}/lake", "-m", tiny_artifact, "-o", "out", "--on-error", "skip")
    assert_one_line(result, 3, r"lake/dt=0/part-0\.parquet: cannot be read .*SERVICE_UNAVAILABLE.*: check the URI")


SLOWLY = """
import sys, time
from sentscore.stores import s3_upload
s3_upload._PART_BYTES = 10_000
send = s3_upload.S3Upload._send
def send_slowly(self, content):
    send(self, content)
    print("sent", flush=True)
    time.sleep(60)
if "slowly" in sys.argv:
    s3_upload.S3Upload._send = send_slowly
    sys.argv.remove("slowly")
from sentscore.cli import main
main()
"""


@pytest.mark.skipif(os.name == "nt", reason="there is no such signal there")
def test_a_kill_and_the_same_command_leave_no_upload(lake, tiny_artifact: Path) -> None:
    for name in ("part-0", "part-1"):
        lake.put(f"big/{name}.parquet", parquet(*["a film"] * 50, more=[os.urandom(2_000).hex()] * 50))
        lake.put(
            f"big/{name}.csv",
            b"review,more\n" + b"".join(b"a film,%s\n" % os.urandom(500).hex().encode() for _ in range(50)),
        )
    command = [sys.executable, "-c", SLOWLY, "file", f"{lake.uri}/big", "-m", str(tiny_artifact), "--device", "cpu"]
    with subprocess.Popen([*command, "slowly"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"sent\n", process.stderr.read()
        process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 30
    while not lake.uploads() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(lake.uploads()) == 1
    assert outputs(lake, "big.scored/").keys() <= {"part-0.csv"}
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "the run that was not finished goes on" in done.stderr
    assert lake.uploads() == []
    assert sorted(outputs(lake, "big.scored/")) == ["part-0.csv", "part-0.parquet", "part-1.csv", "part-1.parquet"]
    assert list((cache_folder() / "uploads").glob("*")) == []
