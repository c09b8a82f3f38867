"""Validity sweeps: does a metric put real data first, and which degradations of them does it see?"""
