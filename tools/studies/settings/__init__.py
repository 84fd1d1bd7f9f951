"""The study behind the defaults: which settings make the score predict measured robustness."""
