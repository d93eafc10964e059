"""METHODS: one file per system. The rest of the project knows a method by the verbs of `Method`, no more."""

from ovseg_core.methods.registry import METHODS, Method, build

__all__ = ["METHODS", "Method", "build"]
