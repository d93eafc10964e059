"""Image towers, text towers and the blocks on top of them. They know no loss and no data."""
