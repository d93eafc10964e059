"""METHODS (in `registry`): one file per system. The project knows a method by the verbs of `Method`, no more.

Nothing is imported here, so that checking `settings` needs no torch.
"""
