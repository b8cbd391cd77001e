"""The use cases: they await ports and know neither Discord nor SQL nor any vendor."""
