"""From a model and photographs to an answer: what is measured, in which order, and for how long."""
