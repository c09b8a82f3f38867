"""The lecture note's fourteen claims about autoencoders, each with a test that can support or contradict it."""

from bench.claims.catalogue import CLAIMS, Claim, Evidence
from bench.claims.judge import Component, Outcome, judge

__all__ = ["CLAIMS", "Claim", "Component", "Evidence", "Outcome", "judge"]
