"""What people do with subscriptions: buy, change, end, bring back, and move them to another profile."""
