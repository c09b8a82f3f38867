"""Encoders and decoders that all variants of a run share, and their initial weights."""
