"""How dates and numbers are written: English 20 Nov 2026, Dutch 20-11-2026 (interface.md)."""
