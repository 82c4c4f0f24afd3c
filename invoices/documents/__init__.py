"""The documents of an invoice: what they print, in which words, how they become a PDF, and where it is kept.

`source` reads the facts of an issued invoice into a `payload`, `printed` turns them into words and
figures, `render` into a PDF, `archive` keeps it.
"""
