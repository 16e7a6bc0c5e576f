"""Where results go: a Markdown table and a JSON file each, and marked places of the README."""

from __future__ import annotations

import json
import os
import platform
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"

__all__ = ["RESULTS", "ROOT", "fill_readme", "load", "save", "table"]


def table(headings: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; all columns but the first are set flush right."""
    lines = [headings, ["---"] + ["---:"] * (len(headings) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def save(name: str, title: str, text: str, values: dict[str, Any]) -> None:
    """Write results/NAME.md and results/NAME.json, and print the table."""
    RESULTS.mkdir(exist_ok=True)
    libraries = ", ".join(f"{p} {version(p)}" for p in ("numpy", "numba"))
    where = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    page = (
        f"# {title}\n\n{text}\n\nMeasured on {where}, {libraries}; `python -m benchmarks {name}`.\n"
    )
    (RESULTS / f"{name}.md").write_text(page)
    (RESULTS / f"{name}.json").write_text(json.dumps(values, indent=1) + "\n")
    print(text)


def load(name: str) -> dict[str, Any]:
    """Values of a benchmark that has run."""
    return json.loads((RESULTS / f"{name}.json").read_text())


def fill_readme() -> None:
    """Put the measured values into README and docs, between <!--name.key--> and <!---->."""
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        _fill(path)


def _fill(path: Path) -> None:
    text = path.read_text()

    def value(match: re.Match[str]) -> str:
        name, key = match.group(1).split(".", 1)
        found: Any = load(name)[key] if (RESULTS / f"{name}.json").exists() else match.group(2)
        return f"<!--{match.group(1)}-->{found}<!---->"

    filled = re.sub(r"<!--([a-z_]+\.[a-z0-9_]+)-->(.*?)<!---->", value, text, flags=re.S)
    if filled != text:
        path.write_text(filled)
