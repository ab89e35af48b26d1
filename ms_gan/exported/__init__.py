"""Generators as files that others can run: MindIR, ONNX, NumPy arrays. MindSpore is imported for MindIR alone."""

from ms_gan.exported.reading import FORMATS, ExportedGenerator, load_exported

__all__ = ["FORMATS", "ExportedGenerator", "load_exported"]
