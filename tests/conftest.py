"""Hypothesis explores anew on every run at a desk; in CI it repeats one fixed set of examples."""

import os

from hypothesis import settings

settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    settings.load_profile("ci")
