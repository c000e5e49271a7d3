"""The command line: `python -m tests.bench --help`."""

import argparse
import json
import platform
import sys
from textwrap import fill

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
    add("--daemons", action="store_true", help="real servers, where they are installed")
    add("--json", metavar="FILE", help="write all figures")
    add("--page", metavar="FILE", help="write a page with bars")
    return parser.parse_args()


def no_daemon(name: str, chosen: argparse.Namespace) -> str:
    """Why an item has to be left out, if real servers were asked for."""
    if not chosen.daemons:
        return ""
    from .daemons import missing

    return missing(name, chosen.rtt)


def without(left_out: dict[str, list[str]]) -> list[str]:
    """What was left out, and why: a paragraph for each reason."""
    return [
        fill(f"Left out, for {why}: {', '.join(names)}", 80, subsequent_indent="  ")
        for why, names in left_out.items()
    ]


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
        "daemons": chosen.daemons,
        "items": items,
    }
    print(said(results), FORM.format(*HEAD), sep="\n\n")
    left_out: dict[str, list[str]] = {}
    for name in chosen.item or BY_NAME:
        if why := no_daemon(name, chosen):
            left_out.setdefault(why, []).append(name)
            continue
        found = run(BY_NAME[name], chosen.scale, chosen.rounds, chosen.rtt, chosen.daemons)
        items[name] = found
        print(line(BY_NAME[name], found), flush=True)
    print(EXPLAINED, *without(left_out), sep="\n")
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
    return not problems <= {"-"}


if __name__ == "__main__":
    sys.exit(main())
