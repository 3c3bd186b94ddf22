"""Certificates: stored reconciliation results, and how they go onto paper."""
