"""The version, for what is installed and for a checkout that is only on the path."""

__version__ = "0.1.0"
