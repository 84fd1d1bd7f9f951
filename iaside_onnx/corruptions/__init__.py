"""The corruptions of ImageNet-C and CIFAR-10-C, for images of any size.

A corruption is a function below `severity.corruption` in one of the modules imported here.
"""

from . import blur, digital, noise, weather

__all__ = ["blur", "digital", "noise", "weather"]
