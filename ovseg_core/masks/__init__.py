"""Masks: run lengths, boxes, suppression and choice in NumPy; pooling and clustering in torch."""
