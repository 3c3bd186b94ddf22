"""MQTT 5: receivers that pull (DESIGN, section 7)."""
