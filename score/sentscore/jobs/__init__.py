"""Jobs: inputs are scored into outputs, planned before a model is loaded, and carried on after a kill."""

from __future__ import annotations

from sentscore.jobs.plan import Job, plan_jobs, plan_whole
from sentscore.jobs.run import Summary, check_inputs, run_job

__all__ = ["Job", "Summary", "check_inputs", "plan_jobs", "plan_whole", "run_job"]
