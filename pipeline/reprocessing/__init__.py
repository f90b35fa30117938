"""Reading stored articles again with newer extractors and models: which ones, and what came of it."""
