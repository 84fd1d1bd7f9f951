"""The mathematics, on arrays: bands, absence, Shapley values, score, paired statistics."""
