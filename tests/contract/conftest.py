"""The suite's assertions say what they compared, although it is no test module."""

import pytest

pytest.register_assert_rewrite("tests.contract.suite", "tests.contract.observing")
