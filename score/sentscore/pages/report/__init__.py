"""The report of scored files: what the scores are like, where, when, why, and whether that has changed."""

from __future__ import annotations

from sentscore.pages.report.make import Report, make_report

__all__ = ["Report", "make_report"]
