"""The sample news web: small fictional outlets served on loopback, for the offline demo and for tests."""
