"""`from memory_core.mem0 import Memory`: the calls of mem0 2.2 over a service of Holdfast.

docs/from-mem0.md lists what differs. mem0 itself is loaded when the first memory is composed.
"""

from .memory import AsyncMemory, Memory, UnknownMemory

__all__ = ["AsyncMemory", "Memory", "UnknownMemory"]
