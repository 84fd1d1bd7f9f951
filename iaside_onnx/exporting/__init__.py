"""ONNX files from other frameworks, believed only after a comparison with them.

Nothing here needs the rest of the package, so that it runs where a framework is and iaside is not.
"""
