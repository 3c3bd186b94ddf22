"""Sensors that publish JSON over MQTT, as devices of lineside."""
