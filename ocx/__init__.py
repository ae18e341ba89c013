"""The Unix command line of OpenCodex."""

__version__ = "0.1.0"
