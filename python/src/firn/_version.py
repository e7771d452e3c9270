"""This client's version: the store's, of which it is a part."""

from importlib.resources import files

version = files("firn").joinpath("VERSION").read_text().strip()
