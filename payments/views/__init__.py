"""Pages of payment methods, payments and webhooks."""
