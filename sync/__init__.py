"""Delivery: ships the journal to its receivers and fetches master data. It knows nothing of stations."""
