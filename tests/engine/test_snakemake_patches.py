"""What is changed of Snakemake's scheduler: it looks at its jobs again because of its rate limit only where that held some back."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from snakemake.scheduling import job_scheduler
from snakemake.settings.types import MaxJobsPerTimespan

from scripts.lib.engine.snakemake_patches import wake_for_a_reason


def test_the_scheduler_looks_again_only_where_its_limit_is_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    kind, asked = job_scheduler.JobScheduler, list[float]()
    monkeypatch.setattr(kind, "_schedule_reevalutation", lambda self, delay: asked.append(delay))
    wake_for_a_reason()
    scheduler = SimpleNamespace(job_rate_limiter=job_scheduler.JobRateLimiter(MaxJobsPerTimespan.parse_choice("2/60s")))
    look_again = kind._schedule_reevalutation
    look_again(scheduler, 60)
    scheduler.job_rate_limiter.register_jobs(1)
    look_again(scheduler, 60)
    assert asked == []  # one of two jobs a minute has begun
    scheduler.job_rate_limiter.register_jobs(1)
    look_again(scheduler, 60)
    assert asked == [60]
    look_again(SimpleNamespace(job_rate_limiter=None), 10)  # what waits for a queue's input asks as before
    assert asked == [60, 10]
