"""Statistics and decisions across results."""
