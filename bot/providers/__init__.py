"""The vendors' HTTP APIs behind one port; they know neither Discord nor the database."""
