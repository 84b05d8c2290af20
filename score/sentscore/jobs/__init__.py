"""Jobs: inputs are scored into outputs, planned before a model is loaded, and carried on after a kill."""

from __future__ import annotations

from sentscore.jobs.plan import Job, Plan, plan_jobs, plan_whole
from sentscore.jobs.run import Summary, check_inputs, run_job
from sentscore.jobs.run_all import RunSummary, first_readable, run_all

__all__ = [
    "Job",
    "Plan",
    "RunSummary",
    "Summary",
    "check_inputs",
    "first_readable",
    "plan_jobs",
    "plan_whole",
    "run_all",
    "run_job",
]
