"""The command line: `python -m tests.bench --help`."""

import argparse
import json
import platform
import sys

from . import __doc__ as about
from .items import BY_NAME, ITEMS
from .rounds import run
from .table import EXPLAINED, FORM, HEAD, Figures, line, said


def seconds(given: str) -> float:
    """A time such as 20ms or 0.02."""
    return float(given.removesuffix("ms")) / 1000 if given.endswith("ms") else float(given)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--item", action="append", choices=BY_NAME, metavar="NAME", help="only this one")
    add("--list", action="store_true", help="the names of the items")
    add("--scale", type=float, default=1.0, metavar="FACTOR", help="of the sizes: 0.01")
    add("--rounds", type=int, default=5, metavar="N", help="turns of each contestant")
    add("--rtt", type=seconds, default=0.0, metavar="TIME", help="a round trip: 20ms")
    add("--json", metavar="FILE", help="write all figures")
    add("--page", metavar="FILE", help="write a page with bars")
    return parser.parse_args()


def main() -> bool:
    """Run what was chosen; return whether a contestant failed."""
    chosen = arguments()
    if chosen.list:
        print("\n".join(f"{item.name:20}{item.title}" for item in ITEMS))
        return False
    items: dict[str, Figures] = {}
    results = {
        "python": platform.python_version(),
        "system": platform.system(),
        "scale": chosen.scale,
        "rounds": chosen.rounds,
        "rtt": chosen.rtt,
        "items": items,
    }
    print(said(results), FORM.format(*HEAD), sep="\n\n")
    for name in chosen.item or BY_NAME:
        found = run(BY_NAME[name], chosen.scale, chosen.rounds, chosen.rtt)
        items[name] = found
        print(line(BY_NAME[name], found), flush=True)
    print(EXPLAINED)
    if chosen.json:
        with open(chosen.json, "w") as file:
            json.dump(results, file, indent=1)
    if chosen.page:
        from .page import page

        with open(chosen.page, "w") as file:
            file.write(page(results))
    problems = {
        who.get("problem", "-") for found in items.values() for who in found.values()
    }
    return problems != {"-"}


if __name__ == "__main__":
    sys.exit(main())
