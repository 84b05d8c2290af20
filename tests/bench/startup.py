"""Wall time of `sentscore --help` and `sentscore text`, and what --help imports, as a Markdown table.

python tests/bench/startup.py [--model lstm] [--runs 9]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

HEAVY = ("torch", "torchtext", "spacy", "onnxruntime", "onnx", "pyarrow", "numpy", "rich")


def seconds(arguments: list[str]) -> float:
    """Wall time of one whole process."""
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def imported(arguments: list[str]) -> set[str]:
    """The packages whose submodules a process imports: a package that is only looked for, and not there, has none."""
    result = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments], check=True, capture_output=True, text=True
    )
    names = [line.rsplit("|", 1)[1].strip() for line in result.stderr.splitlines() if line.startswith("import time:")]
    return {name.split(".")[0] for name in names if "." in name}


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="lstm")
    parser.add_argument("--runs", type=int, default=9)
    args = parser.parse_args()
    commands = {
        "python -c pass": ["-c", "pass"],
        "sentscore --help": ["-m", "sentscore", "--help"],
        "sentscore text": ["-m", "sentscore", "text", "A great film.", "--model", args.model, "--device", "cpu"],
    }
    print(f"| command | seconds, median of {args.runs} | lowest | highest | heavy imports |\n|---|---|---|---|---|")
    for name, arguments in commands.items():
        seconds(arguments)  # fills the file cache
        times = [seconds(arguments) for _ in range(args.runs)]
        found = imported(arguments)
        heavy = ", ".join(package for package in HEAVY if package in found) or "none"
        print(f"| {name} | {statistics.median(times):.3f} | {min(times):.3f} | {max(times):.3f} | {heavy} |")


if __name__ == "__main__":
    main()
