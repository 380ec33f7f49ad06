"""GPU leases with fake devices: never two holders, whatever is killed; whole or nothing; signals and statuses."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.helpers.gpu_machine import SHOW, SLICED, TWO, Machine, until


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path, TWO)


@pytest.mark.long
def test_thirty_jobs_on_two_devices_with_random_kills(machine: Machine) -> None:
    stream = random.Random(5)
    killed = set(stream.sample(range(30), 12))  # these go on until they are killed
    jobs = []
    for number in range(30):
        hold = machine.holder(60 if number in killed else stream.uniform(0.1, 0.3), 0.1 * (number % 2))
        jobs.append(machine.start("--gpus", 1 + (number % 7 == 3), command=hold))
    wanted = {jobs[number].pid for number in killed}
    while any(job.poll() is None for job in jobs):
        time.sleep(stream.uniform(0.02, 0.1))
        for child, launcher in [(int(event[2]), int(event[3])) for event in machine.told("begin")]:
            if launcher in wanted:
                wanted.remove(launcher)
                with contextlib.suppress(ProcessLookupError):
                    number = stream.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1])
                    os.kill(stream.choice([child, launcher]), number)
    assert not machine.told("COLLISION") and not wanted
    began = machine.told("begin")
    assert len(began) == 30 and len(machine.told("end")) == 30 - 12
    assert {name for event in began for name in event[4].split(",")} == {"GPU-aaaa-1", "GPU-bbbb-2"}
    assert {event[4].count(",") for event in began} == {0, 1}
    # Nothing is left behind: both devices are free at once, and nobody is waiting.
    status, out, error = machine.run("--gpus", 2)
    assert (status, out) == (0, "GPU-aaaa-1,GPU-bbbb-2 PCI_BUS_ID") and "waiting" not in error
    assert not list((machine.folder / "locks").glob("waiting.*"))


def test_the_probe_of_these_tests_sees_two_holders(machine: Machine) -> None:
    other = {"SYNTHORAX_GPU_LOCKS": str(machine.folder / "other"), "CUDA_VISIBLE_DEVICES": "0"}
    first = machine.start("--gpus", 1, command=machine.holder(20), CUDA_VISIBLE_DEVICES="0")
    until(lambda: machine.told("begin"))
    assert machine.run("--gpus", 1, command=machine.holder(), **other)[0] == 0
    assert len(machine.told("COLLISION")) == 1
    first.kill()
    first.communicate()


def test_a_job_waits_with_one_line_and_goes_on_when_the_holder_is_killed(machine: Machine) -> None:
    first = machine.start("--gpus", 2, command=machine.holder(60, linger=1.0))
    until(lambda: machine.told("begin"))
    second = machine.start("--gpus", 1)
    until(lambda: list((machine.folder / "locks").glob("waiting.*")))
    # The launcher is killed: its command is asked to end, takes a second for it, and has the lease until then.
    first.kill()
    _, error = second.communicate(timeout=300)
    assert second.returncode == 0 and not machine.told("COLLISION")
    assert int(machine.told("stopped")[0][0]) < int(machine.told("begin")[1][0])
    assert error.count("all taken; waiting for 1 of the GPUs GPU-aaaa-1, GPU-bbbb-2 of this machine") == 1
    first.communicate()


def test_later_jobs_do_not_overtake_a_job_for_two(machine: Machine) -> None:
    first = machine.start("--gpus", 1, command=machine.holder(1.0))
    until(lambda: machine.told("begin"))
    both = machine.start("--gpus", 2)
    until(lambda: list((machine.folder / "locks").glob("waiting.1")))
    later = machine.start("--gpus", 1)  # one device is free, but kept for the job before
    for job in (first, both, later):
        job.communicate(timeout=300)
    assert [event[4].count(",") for event in machine.told("begin")] == [0, 1, 0]


def test_who_waits_for_one_device_does_not_block_another(machine: Machine) -> None:
    first = machine.start("--gpus", 1, command=machine.holder(60), CUDA_VISIBLE_DEVICES="0")
    until(lambda: machine.told("begin"))
    stuck = machine.start("--gpus", 1, CUDA_VISIBLE_DEVICES="0")
    until(lambda: list((machine.folder / "locks").glob("waiting.1")))
    assert machine.run("--gpus", 1)[1] == "GPU-bbbb-2 PCI_BUS_ID"
    for job in (first, stuck):
        job.kill()
        job.communicate()


def test_small_jobs_share_a_device_and_a_large_one_takes_all_of_it(machine: Machine) -> None:
    one = {"CUDA_VISIBLE_DEVICES": "1", "PLACES": "2"}
    pair = [machine.start("--gpus", 1, "--share", 2, command=machine.holder(1.0), **one) for _ in range(2)]
    until(lambda: len(machine.told("begin")) == 2)
    waiting = [machine.start("--gpus", 1, "--share", 2, command=machine.holder(), **one)]
    waiting.append(machine.start("--gpus", 1, command=machine.holder(), CUDA_VISIBLE_DEVICES="GPU-bbbb"))
    for job in (*pair, *waiting):
        assert "Traceback" not in job.communicate(timeout=300)[1]
    first_end = min(int(event[0]) for event in machine.told("end"))
    assert sorted(int(event[0]) for event in machine.told("begin"))[2] > first_end
    assert not machine.told("COLLISION")


def test_every_name_of_a_device_is_the_same_lease(machine: Machine) -> None:
    machine.list(SLICED)
    holder = machine.start("--gpus", 1, command=machine.holder(60), CUDA_VISIBLE_DEVICES="MIG-cccc")
    until(lambda: machine.told("begin"))
    # CUDA takes the first instance where a GPU that is cut up is named as a whole.
    same = machine.start("--gpus", 1, command=SHOW, CUDA_VISIBLE_DEVICES="1")
    until(lambda: list((machine.folder / "locks").glob("waiting.1")))
    assert machine.run("--gpus", 1, CUDA_VISIBLE_DEVICES="1,MIG-dddd-4")[1] == "MIG-dddd-4 PCI_BUS_ID"
    holder.terminate()
    assert same.communicate(timeout=300)[0] == "1 PCI_BUS_ID\n"
    assert machine.run("--gpus", 1)[1] == "GPU-aaaa-1 PCI_BUS_ID"
    assert "MIG instances cannot be joined" in machine.run("--gpus", 2)[2]
    assert holder.wait() == 143


FAULTS = [
    ("3 GPUs are wanted, but this machine has GPU-aaaa-1, GPU-bbbb-2; lower compute.gpus", 3, {}),
    ("CUDA_VISIBLE_DEVICES=0,7 has 0, and nvidia-smi does not list 7;", 2, {"CUDA_VISIBLE_DEVICES": "0,7"}),
    ("CUDA_VISIBLE_DEVICES=1,x: 'x' is no GPU; expected a number", 1, {"CUDA_VISIBLE_DEVICES": "1,x"}),
    ("CUDA_VISIBLE_DEVICES='' hides every GPU", 1, {"CUDA_VISIBLE_DEVICES": ""}),
    ("SLURM-71 has 0; lower compute.gpus", 2, {"CUDA_VISIBLE_DEVICES": "0", "SLURM_JOB_ID": "71"}),
]


@pytest.mark.parametrize(("line", "count", "variables"), FAULTS)
def test_what_is_not_there_is_one_line(machine: Machine, line: str, count: int, variables: dict[str, str]) -> None:
    status, _, error = machine.run("--gpus", count, **variables)
    assert status == 1 and line in error and len(error.splitlines()) == 1


def test_without_nvidia_smi(machine: Machine) -> None:
    machine.list("No devices were found")
    assert "lists no GPU (No devices were found); set compute.gpus: 0" in machine.run("--gpus", 1)[2]
    machine.list(None)
    machine.environment["PATH"] = str(machine.bin)
    assert "has no nvidia-smi" in machine.run("--gpus", 1)[2]
    assert machine.run("--gpus", 1, CUDA_VISIBLE_DEVICES="3,GPU-x")[1] == "3 PCI_BUS_ID"


def test_a_lost_gpu_is_named_and_the_others_serve(machine: Machine) -> None:
    status, out, error = machine.run("--gpus", 1, CUDA_VISIBLE_DEVICES="7,1")
    assert (status, out) == (0, "1 PCI_BUS_ID") and "does not list: 7; using the others" in error
    holder = machine.start("--gpus", 1, command=machine.holder(60), CUDA_VISIBLE_DEVICES="1")
    until(lambda: machine.told("begin"))
    waiting = machine.start("--gpus", 1, CUDA_VISIBLE_DEVICES="1")
    until(lambda: list((machine.folder / "locks").glob("waiting.1")))
    machine.list(TWO.splitlines()[0])
    holder.terminate()
    holder.communicate()
    assert "GPU 1 was lost while this waited" in waiting.communicate(timeout=300)[1]
    assert waiting.returncode == 1


def test_what_a_scheduler_gave_is_taken_as_it_is(machine: Machine) -> None:
    given = {"SLURM_JOB_ID": "71", "SLURM_STEP_ID": "0"}
    assert machine.run("--gpus", 2, **given, SLURM_STEP_GPUS="2,5")[1] == ""
    holder = machine.start("--gpus", 1, command=machine.holder(60), **given, CUDA_VISIBLE_DEVICES="0")
    until(lambda: machine.told("begin"))
    # The same number in another job is another device; in this job it is taken.
    assert machine.run("--gpus", 1, SLURM_JOB_ID="72", CUDA_VISIBLE_DEVICES="0")[1] == "0 PCI_BUS_ID"
    assert machine.run("--gpus", 1, **given, CUDA_VISIBLE_DEVICES="0,1")[1] == "1 PCI_BUS_ID"
    holder.kill()
    holder.communicate()


@pytest.mark.parametrize(
    ("script", "sent", "status"),
    [
        ("exit 7", None, 7),
        ("kill -9 $$", None, 137),
        ("trap 'exit 0' TERM; sleep 60 & wait", signal.SIGTERM, 0),
        ("trap 'exit 9' USR1; sleep 60 & wait", signal.SIGUSR1, 143),
        ("sleep 60", signal.SIGTERM, 143),
        ("trap 'exit 5' INT; sleep 60 & wait", signal.SIGINT, 5),
    ],
)
def test_signals_and_statuses_pass_through(machine: Machine, script: str, sent: int | None, status: int) -> None:
    job = machine.start("--gpus", 1, command=["/bin/sh", "-c", script.replace("sleep", "echo up; sleep")])
    if sent:
        assert job.stdout is not None and job.stdout.readline() == "up\n"
        time.sleep(0.05)
        job.send_signal(sent)
    assert job.wait(timeout=300) == status
    job.communicate()


def test_what_a_killed_command_leaves_behind_ends_with_the_lease(machine: Machine) -> None:
    workers = "setsid sleep 77 & echo $!; kill -9 $$"
    status, out, _ = machine.run("--gpus", 1, command=["/bin/sh", "-c", workers])
    assert status == 137
    assert not Path(f"/proc/{out}").exists()


def test_other_peoples_folders_and_wrong_counts_are_refused(machine: Machine) -> None:
    (machine.folder / "link").symlink_to(machine.folder)
    assert "is a link" in machine.run("--gpus", 1, SYNTHORAX_GPU_LOCKS=str(machine.folder / "link"))[2]
    assert "only one GPU can be shared" in machine.run("--gpus", 2, "--share", 2)[2]
    assert "2 GPUs instead of the 4 of compute.gpus" in machine.run("--gpus", 2, "--wanted", 4)[2]
    assert "nowhere: cannot be started" in machine.run("--gpus", 1, command=["nowhere"])[2]
