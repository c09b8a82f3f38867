"""Settings shared by all tests: property tests never fail for being slow, because machines differ."""

from hypothesis import settings

settings.register_profile("aebench", deadline=None)
settings.load_profile("aebench")
