"""The lecture note's fourteen claims about autoencoders and one more, each with a test that can fail."""

from bench.reports.studies.claim_tests import Component, Outcome, judge
from bench.reports.studies.claims import CLAIMS, Claim, Evidence

__all__ = ["CLAIMS", "Claim", "Component", "Evidence", "Outcome", "judge"]
