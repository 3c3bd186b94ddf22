"""The ERP's half of pulling over MQTT, complete: a model for who writes one, and a way to try a broker."""
