"""For colcon, which calls setup.py; everything it needs stands in pyproject.toml."""

from setuptools import setup

setup()
