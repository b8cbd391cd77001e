"""Doubles of the vendors that the playground itself does without, on its one port."""

from tests.vendors.server import AllVendors

__all__ = ["AllVendors"]
