"""What is done with payment methods and payments: cards added, replaced and removed, invoices paid."""
