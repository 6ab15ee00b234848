"""What the tests share: loopback servers, databases, processes, updates."""
