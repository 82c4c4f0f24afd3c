"""The staff's own pages beside the admin of each model: what is owed, what went wrong, the books, one search."""
