"""Inference, policy, verdicts and reports; numpy, scipy, matplotlib and jinja2 only, no ray and no torch."""

from analysis.estimator.fit import fit_law, fit_laws
from analysis.estimator.law_fit import Estimate, LawFit
from analysis.estimator.observations import check_runs
from analysis.estimator.prior import Prior
from analysis.laws import LawSamples

__all__ = ["Estimate", "LawFit", "LawSamples", "Prior", "check_runs", "fit_law", "fit_laws"]
