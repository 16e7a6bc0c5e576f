"""Run benchmarks: ``python -m benchmarks [NAME ..]``, by default all that take a few minutes."""

from __future__ import annotations

import argparse
import importlib

from benchmarks import report

NAMES = (
    "fractions", "networks", "longer_inputs", "sampling_check", "startup", "pictures", "engine",
    "peers", "quality", "note", "estimators", "prefix", "large", "alignment", "ascent",
    "bounds", "operators",
)  # fmt: skip
# What takes long, or changes only with the matrices, is run by name only.
ON_DEMAND = ("references", "digits", "billion", "laws")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES + ON_DEMAND)}"
    )
    chosen = parser.parse_args().names or NAMES
    unknown = sorted(set(chosen) - set(NAMES + ON_DEMAND))
    if unknown:
        parser.error(f"unknown benchmark {unknown[0]!r}, expected {', '.join(NAMES + ON_DEMAND)}")
    for name in chosen:
        print(f"== {name}")
        importlib.import_module(f"benchmarks.{name}").run()
    report.fill_readme()


if __name__ == "__main__":
    main()
