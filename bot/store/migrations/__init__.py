"""The schema's numbered steps; a released step is never edited."""
