"""Whether the score foretells robustness of networks pretrained on ImageNet.

``python -m tools.studies.imagenet make`` writes the variants of each pretrained network, ``run``
measures them, and ``table`` writes a table a question. Variants are built on one half of the
photographs and measured on the other.
"""
