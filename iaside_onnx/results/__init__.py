"""What a measurement found: values with their provenance."""
