"""Black-box attacks: adversarial images found by asking for log-probabilities alone."""
