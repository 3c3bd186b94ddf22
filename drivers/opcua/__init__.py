"""OPC UA: subscriptions to a server's nodes, with its certificates."""
