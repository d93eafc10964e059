"""TEACHERS (in `registry`): models that label images which have only a caption. Nothing is imported here."""
