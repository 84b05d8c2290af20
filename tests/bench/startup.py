"""Times `sentscore --help` and `sentscore text` and their imports, as Markdown tables.

python tests/bench/startup.py [--model lstm] [--runs 9]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

COLUMNS = 2  # separators between the three columns of -X importtime
SHOWN = 12  # packages in the breakdown
LEAST = 1.0  # ms; a package that is only looked for takes less
HEAVY = ("torch", "torchtext", "spacy", "onnxruntime", "onnx", "pyarrow", "numpy", "rich")


def seconds(arguments: list[str]) -> float:
    """Returns the wall seconds of one whole process."""
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def imports(arguments: list[str]) -> dict[str, float]:
    """Returns the milliseconds that a process spends on each package's modules, without other packages' imports."""
    result = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments], check=True, capture_output=True, text=True
    )
    found: dict[str, float] = {}
    for line in result.stderr.splitlines():
        itself, _, name = line.removeprefix("import time:").split("|") if line.count("|") == COLUMNS else ("", "", "")
        if itself.strip().isdecimal():
            package = name.strip().split(".")[0]
            found[package] = found.get(package, 0.0) + int(itself) / 1000
    return found


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
    breakdowns = {}
    print(f"| command | seconds, median of {args.runs} | lowest | highest | heavy imports |\n|---|---|---|---|---|")
    for name, arguments in commands.items():
        seconds(arguments)  # fills the file cache
        times = [seconds(arguments) for _ in range(args.runs)]
        breakdowns[name] = imports(arguments)
        heavy = ", ".join(package for package in HEAVY if breakdowns[name].get(package, 0.0) >= LEAST) or "none"
        print(f"| {name} | {statistics.median(times):.3f} | {min(times):.3f} | {max(times):.3f} | {heavy} |")
    for name, found in breakdowns.items():
        print(f"\n| {name}: imports | ms, without what they import themselves |\n|---|---|")
        ranked = sorted(found.items(), key=lambda entry: -entry[1])
        for package, milliseconds in ranked[:SHOWN]:
            print(f"| {package} | {milliseconds:.0f} |")
        rest = [milliseconds for _, milliseconds in ranked[SHOWN:]]
        print(f"| {len(rest)} others | {sum(rest):.0f} |\n| all | {sum(found.values()):.0f} |")


if __name__ == "__main__":
    main()
