"""A whole line in one terminal: simulated press and gun, the real collector, a reference ERP."""
