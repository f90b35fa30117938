"""Verify: store, index and archive asked whether they say the same, and put right where that is safe."""
