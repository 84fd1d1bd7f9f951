"""Results: the report, its file, and reports held against each other."""
