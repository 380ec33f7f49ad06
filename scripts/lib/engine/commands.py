"""What every command shares: its parser, its stage configuration, its threads, its progress bar, its one-line errors."""

from __future__ import annotations

import argparse
import errno
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from scripts.lib.core.errors import InputError, listed
from scripts.lib.core.full_disk import full_disk_line
from scripts.lib.core.stop_requests import end_on_request
from scripts.lib.engine.nameless_user import name_user

T = TypeVar("T")
# What is wrong with a path that somebody gave, and what helps.
PLACES = {
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EACCES: "choose another place, or ask for the right to use this one",
    errno.EPERM: "choose another place, or ask for the right to use this one",
    errno.EROFS: "choose a place that can be written",
    errno.ENOTDIR: "a part of the path is a file; choose another place",
    errno.EISDIR: "this is a folder; name a file",
    errno.ELOOP: "links lead in a circle; correct them",
}


def make_parser(doc: str | None) -> argparse.ArgumentParser:
    """Return a parser whose description is the module's docstring and which knows `--threads`."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of this process (default 1)")
    return parser


def add_config(parser: argparse.ArgumentParser, what: str) -> None:
    """Add `--config`: the stage's settings as JSON text, or a path to a JSON or YAML file that holds them."""
    parser.add_argument(
        "--config", type=_read_settings, required=True, help=f"settings of {what}: JSON text, or a .json or .yaml file"
    )


def add_name(parser: argparse.ArgumentParser) -> None:
    """Add `--name`: what a picture of a pool is called."""
    parser.add_argument("--name", default="pool", help="dataset, arm and fraction of the pool, for the title")


def _read_settings(text: str) -> dict[str, Any]:
    if text.lstrip().startswith("{"):
        try:
            settings = json.loads(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"not JSON ({error}): {text[:80]}") from None
    elif Path(text).suffix in {".yaml", ".yml", ".json"} and Path(text).is_file():
        from scripts.lib.study.files import read_yaml

        settings = read_yaml(text)
    else:
        raise argparse.ArgumentTypeError(f"neither JSON text nor an existing .json or .yaml file: {text[:80]}")
    if not isinstance(settings, dict):
        raise argparse.ArgumentTypeError(f"expected a mapping of settings, got {type(settings).__name__}")
    return settings


def set_threads(count: int) -> None:
    """Give this process `count` CPU threads and make idle ones sleep; call it before anything imports torch.

    Spinning OpenMP threads slow down every other job on a machine with few cores (30x was measured with two).
    """
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
        os.environ[name] = str(count)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(count)


def progress(items: Iterable[T], total: int | None = None, desc: str = "") -> Iterator[T]:
    """Iterate with a tqdm bar on stderr (the rule's log file), refreshed at most every two seconds."""
    from tqdm import tqdm

    return iter(tqdm(items, total=total, desc=desc, mininterval=2.0, ascii=True, dynamic_ncols=False))


def run(main: Callable[[], None]) -> None:
    """Call a command's `main`; an `InputError`, or a full disk, becomes one line on stderr and exit status 1.

    SIGTERM and SIGUSR1 end it with status 143, and nothing is left half-written.
    """
    end_on_request()
    name_user()
    try:
        main()
    except Exception as error:
        line = listed(error) if isinstance(error, InputError) else full_disk_line(error) or _place_line(error)
        if line is None:
            raise
        print(f"{Path(sys.argv[0]).stem}: error: {line}", file=sys.stderr)
        raise SystemExit(1) from None


def _place_line(error: Exception) -> str | None:
    """Return the line about a path that cannot be used; None for any other error."""
    if not isinstance(error, OSError) or error.errno not in PLACES or not error.filename:
        return None
    return f"{str(error.filename)[:300]}: {error.strerror}; {PLACES[error.errno]}"
