"""`sentscore doctor`: says whether this installation can score, and if not, why."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import typer

from sentscore.cli.lines import echo_json, echo_line
from sentscore.cli.options import JsonOption
from sentscore.errors import ArtifactError, DeviceError

if TYPE_CHECKING:
    from sentscore.model.artifact import Artifact
    from sentscore.model.cuda import Gpu

_RUNTIMES = ("onnxruntime", "onnxruntime-gpu")
_PACKAGES = ("sentscore", *_RUNTIMES, "pyarrow", "numpy")
WORKS = "works"


@dataclass(frozen=True)
class Threads:
    """The threads that score by default on a CPU.

    Attributes:
        default: How many there are: the least of the two others, rounded up.
        affinity: The number of processors that this process may run on.
        cgroup_quota: The processors that its control group may keep busy on average; None without such a quota.
    """

    default: int
    affinity: int
    cgroup_quota: float | None


@dataclass(frozen=True)
class Diagnosis:
    """What the doctor found.

    Attributes:
        versions: The versions of Python and of the packages that are installed.
        threads: How many threads score by default on a CPU, and what bounds them.
        providers: For each execution provider, `works` or why it does not.
        gpu: The first NVIDIA GPU, with the versions of its driver, of CUDA and of cuDNN; None where there is none.
        artifacts: For each model's folder, `works` or what is wrong with it.
        problems: What has to be mended, one line each.
        exit_code: 0 if all is well, 4 if a model is damaged or there is none, and 5 if no provider works or both
            onnxruntime packages are installed.
    """

    versions: dict[str, str]
    threads: Threads
    providers: dict[str, str]
    gpu: Gpu | None
    artifacts: dict[str, str]
    problems: list[str] = field(default_factory=list)
    exit_code: int = 0


def doctor_cli(as_json: JsonOption = False) -> None:
    """Check that this installation can score.

    The exit code is 0 if all is well, 4 if a model is damaged or missing, and 5 if no execution provider works or
    both onnxruntime packages are installed.
    """
    found = doctor()
    if as_json:
        echo_json(asdict(found))
    else:
        for title, entries in (
            ("versions", found.versions),
            ("threads", _describe_threads(found.threads)),
            ("execution providers", found.providers),
            ("GPU", _describe_gpu(found.gpu)),
            ("models", found.artifacts),
        ):
            echo_line(title)
            for name, state in entries.items():
                echo_line(f"  {name}: {state}")
        for problem in found.problems:
            echo_line(f"problem: {problem}")
        echo_line("all is well" if not found.problems else f"{len(found.problems)} to mend")
    raise typer.Exit(found.exit_code)


def doctor() -> Diagnosis:
    """Examines this installation. Problems are returned, not raised."""
    from sentscore.model.artifact import find_artifacts, load_artifact
    from sentscore.model.cpu import read_cpu_limits
    from sentscore.model.cuda import find_gpu

    versions = {"python": platform.python_version(), **_find_versions()}
    artifacts: dict[str, str] = {}
    damaged = []
    intact = None
    for path in find_artifacts():
        try:
            artifact = load_artifact(path)
            artifact.read_vocabulary()
            intact = artifact
            artifacts[str(path)] = WORKS
        except ArtifactError as error:
            artifacts[str(path)] = str(error)
            damaged.append(str(error))
    if not artifacts:
        damaged.append("no models come with this installation: install sentscore again")

    providers = _try_providers(intact)
    gpu = find_gpu()  # behind the providers, which load cuDNN
    devices = []
    if all(name in versions for name in _RUNTIMES):
        devices.append(
            "onnxruntime and onnxruntime-gpu overwrite each other: pip uninstall both, then install sentscore again"
        )
    if intact is not None and WORKS not in providers.values():
        devices.append("no execution provider works: install sentscore again")
    code = ArtifactError.exit_code if damaged else DeviceError.exit_code if devices else 0
    limits = read_cpu_limits()
    threads = Threads(limits.cpus, limits.affinity, limits.quota)
    return Diagnosis(versions, threads, providers, gpu, artifacts, damaged + devices, code)


def _describe_threads(threads: Threads) -> dict[str, str]:
    quota = "none" if threads.cgroup_quota is None else f"{threads.cgroup_quota:.2f} processors"
    return {
        "by default": str(threads.default),
        "processors this process may run on": str(threads.affinity),
        "CPU quota of its control group": quota,
    }


def _describe_gpu(gpu: Gpu | None) -> dict[str, str]:
    if gpu is None:
        return {"NVIDIA GPU": "none is found"}
    return {
        "name": gpu.name or "unknown",
        "memory": f"{gpu.memory / (1 << 30):.1f} GiB, {gpu.free_memory / (1 << 30):.1f} GiB free",
        "driver": f"{gpu.driver or 'of an unknown version'}, supports CUDA {gpu.cuda}",
        "cuDNN": gpu.cudnn or "missing: pip install 'sentscore[cuda]'",
    }


def _find_versions() -> dict[str, str]:
    from importlib import metadata

    found = {}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _try_providers(artifact: Artifact | None) -> dict[str, str]:
    if artifact is None:
        return {"all": "not tried, since there is no intact model"}
    from sentscore.model.session import check_providers

    try:
        return check_providers(artifact)
    except Exception as error:  # two onnxruntime packages in one place can fail in any way
        return {"onnxruntime": f"cannot be used: {type(error).__name__}: {' '.join(str(error).split())}"}
