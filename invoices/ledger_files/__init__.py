"""The ledger as files for accountants."""
