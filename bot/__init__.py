"""The edge: processes, sockets, configuration. Everything else of the house is plain and synchronous."""
