"""What all tests share."""

from hypothesis import settings

# Hypothesis times an example by the wall clock, which on a shared machine says nothing of the code.
settings.register_profile("lineside", deadline=None)
settings.register_profile("deep", deadline=None, max_examples=3000)  # make fuzz
settings.load_profile("lineside")
