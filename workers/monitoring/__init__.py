"""How it stands, for whoever asks: the parts, the counts, metrics and health over HTTP."""
