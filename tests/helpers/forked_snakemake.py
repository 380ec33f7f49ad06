"""Snakemake's command line in processes that are forked from one which has imported it: half of a dry run is imports.

The server is a process of its own, `python -m tests.helpers.forked_snakemake`: it reads calls as lines of JSON, forks for each
and answers with the exit status. What the Snakefile imports is not among what it has imported: each call takes it from the
folder that it runs in.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import logging
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# What a dry run imports beside the command line itself.
PRELOADED = (
    "snakemake.cli",
    "snakemake.api",
    "snakemake.workflow",
    "snakemake.dag",
    "snakemake.scheduling.job_scheduler",
    "snakemake_executor_plugin_slurm",
    "snakemake_executor_plugin_cluster_generic",
    "jsonschema",
    "yaml",
    "smart_open",
)


def snakemake(
    words: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None, interpreter: str = sys.executable
) -> subprocess.CompletedProcess[str]:
    """Run `snakemake WORDS` in a folder, as `INTERPRETER -m snakemake` would, and return its exit status and output."""
    with tempfile.TemporaryDirectory() as place:
        out, err = Path(place, "out"), Path(place, "err")
        call = {"words": list(words), "folder": str(folder), "environment": dict(environment or os.environ)}
        call["interpreter"] = interpreter
        server = _server()
        assert server.stdin is not None and server.stdout is not None
        server.stdin.write(json.dumps(call | {"out": str(out), "err": str(err)}) + "\n")
        server.stdin.flush()
        status = int(server.stdout.readline())
        return subprocess.CompletedProcess(["snakemake", *words], status, out.read_text(), err.read_text())


@cache
def _server() -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.helpers.forked_snakemake"]
    server = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(server.communicate)  # closes its input, which ends it
    return server


def _serve() -> None:
    for name in PRELOADED:
        importlib.import_module(name)
    importlib.import_module("snakemake.cli").get_argument_parser()  # finds the plugins, once for all
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _run(json.loads(line))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _run(call: Mapping[str, object]) -> None:
    """Become the command: its output, folder, environment, arguments and path of modules; never returns."""
    from snakemake import cli

    for number, name in ((0, os.devnull), (1, str(call["out"])), (2, str(call["err"]))):
        os.dup2(os.open(name, os.O_RDWR | os.O_CREAT), number)
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
    folder, environment, words = str(call["folder"]), call["environment"], call["words"]
    assert isinstance(environment, dict) and isinstance(words, list)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv, sys.executable = ["snakemake", *words], str(call["interpreter"])
    paths = [folder, *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    sys.path = paths + [path for path in sys.path if path not in ("", str(ROOT))]
    status = 1
    try:
        cli.main(words)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(bool(end.code))
    except BaseException:
        traceback.print_exc()
    finally:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    _serve()
