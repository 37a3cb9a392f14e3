"""Inference, policy, verdicts and reports; numpy, scipy, matplotlib and jinja2 only, no ray and no torch."""

from analysis.fit import Estimate, LawFit, fit_law, fit_laws
from analysis.laws import LawSamples
from analysis.posterior import Prior

__all__ = ["Estimate", "LawFit", "LawSamples", "Prior", "fit_law", "fit_laws"]
