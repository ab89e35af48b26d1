"""ms_gan: generative adversarial networks with MindSpore."""

__version__ = "0.1.0"
