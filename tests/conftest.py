"""What all tests share."""

from hypothesis import settings

# Hypothesis times an example by the wall clock, which on a shared machine says nothing of the code.
settings.register_profile("lineside", deadline=None)
settings.load_profile("lineside")
