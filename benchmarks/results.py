"""One file of sections, ``RESULTS.md``: each benchmark writes its own and leaves the others as they are."""

import os
import platform
import timeit
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

RESULTS = Path(__file__).parent / "RESULTS.md"
TITLE = "# Benchmarks: the last run of each\n\nRatios are of one run; times of another machine differ.\n"


def write_section(name: str, text: str, path: Path = RESULTS) -> None:
    """Put a section in the place of the one of the same name, or at the end."""
    parts = path.read_text(encoding="utf-8").split("\n## ") if path.is_file() else [TITLE]
    sections = {part.split("\n", 1)[0]: part.strip("\n") for part in parts}
    sections[name] = f"{name}\n\n{text.strip()}"
    path.write_text("\n\n## ".join(sections.values()) + "\n", encoding="utf-8")


def machine(*packages: str) -> str:
    """Say where and with what a benchmark ran: the processors, their load and pace, Python and package versions."""
    found = [f"{name} {_version(name)}" for name in packages]
    load = f", load {os.getloadavg()[0]:.1f} when it ended" if hasattr(os, "getloadavg") else ""
    # Machines of one name differ by a factor of two: seconds of two runs compare only beside this.
    pace = median(timeit.repeat("sum(range(10_000_000))", number=1, repeat=5))
    where = f"{platform.machine()} with {os.cpu_count()} processors{load}, summing 10 million integers in {pace:.2f} s"
    where = f"{where}; Python {platform.python_version()}"
    return f"{date.today()}, {where}, {', '.join(found)}."


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
