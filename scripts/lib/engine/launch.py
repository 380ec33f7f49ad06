"""How a job's command begins: plain `python` on the CPU, behind a lease of GPUs (gpu_slot), or as several processes."""

from __future__ import annotations

from scripts.lib.core.errors import InputError


def check_gpu_limit(wanted: int, limit: int | None) -> None:
    """Refuse a run whose jobs would be left without a GPU; raises InputError.

    wanted  compute.gpus of the configuration; 0 = the CPU
    limit   GPUs that Snakemake may give to jobs at one time (`--resources gpu=N`); None = no limit
    """
    if wanted and limit is not None and limit < 1:
        raise InputError(
            f"--resources gpu={limit} leaves no GPU to a job, but compute.gpus is {wanted}; raise it, or set compute.gpus: 0 "
            f"to compute on the CPU"
        )


def launch_prefix(wanted: int, given: int, threads: int = 1, share: int = 1, several: bool = False) -> str:
    """Return the command up to `-m scripts.x`.

    wanted   compute.gpus of the configuration; 0 = the CPU
    given    GPUs that Snakemake counts for the job: it lowers the number silently to that of `--resources gpu=N`
    threads  CPU threads of one process
    share    jobs of this kind on one GPU
    several  whether the command divides its work among one process a GPU; any other takes one GPU

    All flags of accelerate are given, or it would read them from a file in the user's home; `--gpu_ids all` are those of
    the lease. Raises InputError when nothing is left of what is wanted.
    """
    if wanted == 0:
        return "python"
    check_gpu_limit(wanted, given)
    count = given if several else 1
    words = ["python -m scripts.lib.engine.gpu_slot --gpus", str(count)]
    if share > 1:
        words.append(f"--share {share}")
    if several and count < wanted:
        words.append(f"--wanted {wanted}")
    words.append("--")
    if count == 1:
        return " ".join([*words, "python"])
    return " ".join(
        [
            *words,
            f"accelerate launch --multi_gpu --num_machines 1 --machine_rank 0 --num_processes {count} --gpu_ids all",
            f"--mixed_precision no --dynamo_backend no --num_cpu_threads_per_process {threads} --main_process_port 0",
        ]
    )
