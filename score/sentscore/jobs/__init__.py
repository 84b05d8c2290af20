"""Jobs: inputs are scored into outputs, planned before a model is loaded, and carried on after a kill."""

from __future__ import annotations

from sentscore.jobs.job import Job
from sentscore.jobs.nights import Changes, Night
from sentscore.jobs.plan import Plan, plan_jobs, plan_whole
from sentscore.jobs.run import Summary, check_inputs, describe_making, run_job
from sentscore.jobs.run_all import RunSummary, first_readable, run_all

__all__ = [
    "Changes",
    "Job",
    "Night",
    "Plan",
    "RunSummary",
    "Summary",
    "check_inputs",
    "describe_making",
    "first_readable",
    "plan_jobs",
    "plan_whole",
    "run_all",
    "run_job",
]
