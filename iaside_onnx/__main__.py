"""``python -m iaside_onnx`` is the same as ``iaside``."""

from .cli import main

if __name__ == "__main__":
    main()
