"""Hypercare: the post-launch operations of an AI platform in one program."""

__version__ = "0.1.0"
