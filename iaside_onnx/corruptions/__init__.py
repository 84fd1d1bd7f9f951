"""The 19 corruptions of ImageNet-C and CIFAR-10-C, for images of any size."""
