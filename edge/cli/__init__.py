"""The command line: what people type. Not part of the daemons' memory."""
