"""The figures of the I-ASIDE paper, drawn again from networks that are here: a module a figure."""
