"""The use cases. They await the ports and know neither Discord nor SQL nor any vendor."""
