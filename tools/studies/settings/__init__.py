"""The study behind the defaults: which settings make the score foretell measured robustness."""
