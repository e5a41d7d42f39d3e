"""Tests of single rooms, in the folders of the package."""
