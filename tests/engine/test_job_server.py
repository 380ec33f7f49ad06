"""A job that a job server starts is the job that `python -m scripts.NAME` is: its place, its streams, its end, its signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from scripts.lib.engine import job_starts
from scripts.lib.engine.job_client import LOST
from scripts.lib.engine.preloading import LAZY, named_imports

TOY = """
import json, os, signal, sys, time
words = sys.argv[1:]
if words[0] == "tell":
    told = {"argv": words, "folder": os.getcwd(), "mark": os.environ.get("MARK"), "mine": __file__, "parent": os.getppid()}
    print(json.dumps(told | {"name": __name__, "input": sys.stdin.read(), "numpy": "numpy" in sys.modules, "path": sys.path[:2]}))
    print("an error's line", file=sys.stderr)
elif words[0] == "end":
    sys.exit(int(words[1]) if words[1].isdigit() else words[1])
elif words[0] == "start":
    import subprocess
    sys.exit(subprocess.run([words[1], "-m", "scripts.toy", "wait"]).returncode)
elif words[0] == "break":
    raise ValueError("broken")
else:
    def stop(number, frame):
        open("stopped", "w").write(str(number))
        sys.exit(143)
    if words[0] == "stop":
        signal.signal(signal.SIGTERM, stop)
    open("job.part", "w").write(str(os.getpid()))
    os.rename("job.part", "job")
    time.sleep(60)
"""


class Place(SimpleNamespace):
    """A project of one command, and a server: `jobs`, `held` (the end of its pipe), `environment` of a job, its process."""

    def start(self, *words: str, **named: Any) -> subprocess.Popen[str]:
        command = [str(self.jobs / "bin" / "python"), "-m", "scripts.toy", *words]
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        settings = {"cwd": self.work, "env": self.environment, "text": True, **streams, **named}
        return subprocess.Popen(command, **settings)

    def run(self, *words: str, text: str = "") -> tuple[int, str, str]:
        process = self.start(*words)
        out, err = process.communicate(text, timeout=60)
        return process.returncode, out, err

    def job(self) -> psutil.Process:
        """Return the process of the job that has just begun."""
        until(lambda: (self.work / "job").exists())
        return psutil.Process(int((self.work / "job").read_text()))


def until(true: Callable[[], object], seconds: float = 30) -> None:
    """Wait until something is true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it has not come true"
        time.sleep(0.02)


def gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    package, jobs, work = tmp_path / "project" / "scripts", tmp_path / "jobs", tmp_path / "a folder"
    for folder in (package, jobs, work):
        folder.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "toy.py").write_text(TOY)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(package.parent), "MARK": "é, 'x'"}
    job_starts.write_client(jobs)
    others = set(psutil.Process().children())  # the server that all tests share may be a child of this process
    held = job_starts.start_server(jobs)
    (server,) = set(psutil.Process().children()) - others
    made = Place(jobs=jobs, work=work, held=held, environment=environment, package=package, server=server)
    yield made
    if made.held:
        os.close(made.held)


def test_a_job_has_arguments_folder_environment_modules_and_streams_of_its_caller(place):
    status, out, err = place.run("tell", "--x", "ü y", text="given")
    told = json.loads(out)
    assert (status, err) == (0, "an error's line\n")
    assert told["argv"] == ["tell", "--x", "ü y"] and told["folder"] == str(place.work)
    assert told["mark"] == "é, 'x'" and told["input"] == "given" and told["name"] == "__main__"
    assert told["mine"] == str(place.package / "toy.py") and told["path"][0] == str(place.package.parent)
    assert told["parent"] == place.server.pid  # a fork


def test_ends_are_those_of_python(place):
    assert place.run("end", "0") == (0, "", "") and place.run("end", "7")[0] == 7
    assert place.run("end", "no films") == (1, "", "no films\n")
    status, _, err = place.run("break")
    assert status == 1 and err.startswith("Traceback") and err.endswith("ValueError: broken\n")


def test_two_jobs_run_at_once_and_a_killed_caller_takes_its_job_along(place):
    first = place.start("wait")
    job = place.job()
    assert place.run("end", "3")[0] == 3 and job.is_running()
    forks = place.jobs / "forks"
    assert [(path.name, path.read_text()) for path in forks.iterdir()] == [(str(first.pid), str(job.pid))]
    first.kill()
    until(lambda: gone(job))
    until(lambda: not list(forks.iterdir()))


def test_signals_are_passed_on_and_the_job_ends_as_it_likes(place):
    process = place.start("stop")
    place.job()
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 143 and (place.work / "stopped").read_text() == str(int(signal.SIGTERM))
    (place.work / "job").unlink()
    process = place.start("wait")
    place.job()
    process.send_signal(signal.SIGTERM)  # nobody handles it: as a shell tells it
    assert process.wait(30) == 128 + signal.SIGTERM


def test_a_killed_server_takes_its_jobs_along_and_the_next_command_starts_by_itself(place):
    process = place.start("wait")
    job = place.job()
    place.server.kill()
    assert process.wait(30) == 1 and process.stderr is not None and process.stderr.read() == LOST + "\n"
    until(lambda: gone(job))
    _, out, _ = place.run("tell")
    assert json.loads(out)["parent"] == os.getpid()


def test_a_server_ends_after_its_last_job_and_leaves_nothing(place):
    process = place.start("wait")
    place.job()
    server = place.server
    os.close(place.held)
    place.held = 0
    time.sleep(0.2)
    assert not gone(server) and process.poll() is None
    process.kill()
    until(lambda: gone(server))
    until(lambda: not place.jobs.exists())


def test_other_commands_and_more_threads_are_plain_python(place):
    client = str(place.jobs / "bin" / "python")
    done = subprocess.run([client, "-c", "import sys, os; print(sys.executable, os.getppid())"], capture_output=True, text=True, check=True)  # fmt: skip
    assert done.stdout.split() == [sys.executable, str(os.getpid())]
    place.environment["OMP_NUM_THREADS"] = "2"
    assert json.loads(place.run("tell")[1])["parent"] == os.getpid()


def test_a_command_of_the_project_finds_its_libraries_loaded_and_computes_the_same(place, tmp_path):
    table = tmp_path / "trials.csv"
    table.write_text("arm,dataset,fraction,multiplier,trial,metric,value\n")
    environment = {**place.environment, "PYTHONPATH": str(job_starts.ROOT)}
    words = ["-m", "scripts.compare_arms", "--trials", str(table)]
    ends = []
    for python in (str(place.jobs / "bin" / "python"), sys.executable):
        done = subprocess.run([python, *words], env=environment, cwd=place.work, capture_output=True, text=True, check=False)  # fmt: skip
        ends.append((done.returncode, done.stdout, done.stderr))
    assert ends[0] == ends[1] and ends[0][0] != 0 and "error: " in ends[0][2]
    learned = json.loads((place.jobs / "learned" / "scripts.compare_arms.json").read_text())
    assert "scripts.lib.engine.commands" in learned and {name.split(".")[0] for name in learned} <= {"scripts", *LAZY}
    assert "pandas" in learned


def test_imports_are_found_in_functions_but_not_what_types_need(tmp_path):
    source = (
        "import a.b\nif TYPE_CHECKING:\n    import c\ndef f():\n    from d import e\n    with x:\n        import g\n"
    )
    (tmp_path / "s.py").write_text(source)
    assert named_imports(tmp_path / "s.py") == ["a.b", "d", "d.e", "g"]


def test_a_run_that_a_server_does_not_suit_starts_none(monkeypatch):
    plain = {"is_main_process": True, "local_exec": True, "dryrun": False, "touch": False, "global_resources": {}}
    plain["deployment_settings"] = SimpleNamespace(deployment_method=set())
    monkeypatch.setattr(job_starts, "GPUS", ())
    assert job_starts.suits(SimpleNamespace(**plain))
    for change in (
        {"is_main_process": False},
        {"local_exec": False},
        {"dryrun": True},
        {"touch": True},
        {"global_resources": {"gpu": SimpleNamespace(value=1)}},
        {"deployment_settings": SimpleNamespace(deployment_method={"conda"})},
    ):
        assert not job_starts.suits(SimpleNamespace(**{**plain, **change})), change
    monkeypatch.setattr(job_starts, "GPUS", (Path("/"),))
    assert not job_starts.suits(SimpleNamespace(**plain))
    monkeypatch.setenv(job_starts.SWITCH, "off")
    monkeypatch.setattr(job_starts, "start_server", lambda folder: pytest.fail("it was started"))
    job_starts.start_jobs_from_server(SimpleNamespace(**plain))


def test_a_client_that_cannot_be_started_leaves_jobs_as_they_are(tmp_path, monkeypatch):
    client = job_starts.write_client(tmp_path)
    assert job_starts.works(client)
    client.chmod(0o644)
    assert not job_starts.works(client)
    monkeypatch.setattr(sys, "executable", "/nowhere/" + "x" * 300)
    (tmp_path / "long").mkdir()
    assert not job_starts.works(job_starts.write_client(tmp_path / "long"))


def test_benchmarks_measure_the_fork(place):
    from snakemake import benchmark

    from scripts.lib.engine.snakemake_patches import count_forks

    stock = benchmark.BenchmarkTimer.__init__
    process = place.start("start", str(place.jobs / "bin" / "python"))
    job = place.job()  # started by the fork that its caller's job is
    try:
        count_forks(place.jobs)
        timer = benchmark.BenchmarkTimer(process.pid, benchmark.BenchmarkRecord())
        found = [one.pid for one in timer.main.children(recursive=True)]
        assert len(found) == 3 and found[-1] == job.pid  # the first fork, the caller that it started, and its fork
        timer._update_record()
        assert timer.bench_record.data_collected and job.pid in timer.procs
    finally:
        benchmark.BenchmarkTimer.__init__ = stock
        process.kill()
        job.kill()
