"""Files of the bank: read, matched with what is owed, and booked."""
