"""The audited model made ready and run."""
