"""``python -m iaside_onnx`` is the same as ``iaside``."""

from .cli import run

if __name__ == "__main__":
    run()
