"""Losses: tensors in, scalars out. They know no model, and compute in float32 whatever the autocast."""
