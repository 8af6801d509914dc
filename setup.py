"""Names the packages of the wheel; all else is in pyproject.toml.

The wheel re-roots the two top-level folders: bare `pipeline` and `models` in site-packages would
break other code.
"""

from setuptools import find_packages, setup

FOUND = find_packages(include=["pipeline", "pipeline.*", "models", "models.*"])

setup(packages=[f"visagist.{name}" for name in FOUND])
