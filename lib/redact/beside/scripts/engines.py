"""The engines that are asked from Python: Presidio's pattern recognisers, without a language model."""

import json
import subprocess

from presidio_analyzer import PatternRecognizer, RecognizerRegistry
from presidio_analyzer.predefined_recognizers import PhoneRecognizer


def presidio():
    """All predefined recognisers for English that need no language model, the countries' too."""
    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"])
    return [one for one in registry.recognizers if isinstance(one, (PatternRecognizer, PhoneRecognizer))]


def presidio_spans(recognizers, text):
    """What they find, in characters. A score of 0.3 and less is what Presidio itself calls very weak."""
    found = []
    for one in recognizers:
        results = one.analyze(text=text, entities=one.supported_entities, nlp_artifacts=None) or []
        found += [(r.start, r.end, r.entity_type) for r in results if r.score > 0.3]
    return found


def hansard_spans(program, texts):
    """What this engine finds, in characters."""
    lines = "".join(json.dumps(text) + "\n" for text in texts)
    out = subprocess.run([program, "spans"], input=lines.encode(), stdout=subprocess.PIPE, check=True).stdout
    for text, line in zip(texts, out.decode().splitlines()):
        raw = text.encode()
        yield [(len(raw[:s].decode()), len(raw[:e].decode()), rule) for s, e, rule in json.loads(line)]
