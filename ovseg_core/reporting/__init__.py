"""The page that a sweep ends in: tables, figures and a gallery from what the other stages wrote."""
