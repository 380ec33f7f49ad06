"""How far the runs of a folder are, asked from another terminal: what they do, what is left, and where the logs are.

python -m scripts.show_status
python -m scripts.show_status --directory runs/mine
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from scripts.lib.core.errors import InputError
from scripts.lib.engine.commands import make_parser, run
from scripts.lib.engine.heartbeat import STATUS, status_lines
from scripts.lib.engine.records import runs_of


def main(argv: list[str] | None = None) -> None:
    """Print a paragraph for each run; where none works, say where the logs of the last one lie."""
    parser = make_parser(__doc__)
    parser.add_argument("--directory", type=Path, default=Path(), help="where the run's results/ goes (default: here)")
    args = parser.parse_args(argv)
    if not args.directory.is_dir():
        raise InputError(f"{args.directory}: no such folder; give the one that the run was started with")
    alive = [one for one in runs_of(args.directory / ".snakemake" / "runs") if one.alive()]
    for one in alive:
        print(f"{one}")
        try:
            told = json.loads((one.folder / STATUS).read_text())
        except (OSError, ValueError):
            print("  plans its jobs, or has just begun" if one.started is None else "  has just begun with its jobs")
            continue
        print("\n".join(status_lines(told, time.time())))
    if not alive:
        print(f"No run works in {args.directory.absolute()}.")
    print(f"Logs: {args.directory / 'results/logs'}/RULE/; whole runs: {args.directory / '.snakemake/log'}/")


if __name__ == "__main__":
    run(main)
