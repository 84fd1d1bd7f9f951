"""Tables and pictures; they read only reports."""
