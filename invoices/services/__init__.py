"""What is done with invoices: made and numbered by a run, posted to the books, settled by payments."""
