"""Recall, precision, leaks and over-masked bytes on data that others have labelled: quality.py PROGRAM GITLEAKS

Sentences of presidio-evaluator (its templates, filled by Faker), addresses and numbers of Faker in many languages, and the
samples that gitleaks tries its rules on. Intervals are Wilson's, 95 %.
"""

import collections
import json
import math
import random
import sys

import engines
from faker import Faker
from presidio_evaluator.data_generator import PresidioSentenceFaker

SEED = 20260728
SENTENCES = 4000
FAKED = 200
LOCALES = ["en_US", "en_GB", "de_DE", "fr_FR", "es_ES", "it_IT", "nl_NL", "pl_PL", "pt_BR", "en_IN", "en_CA", "en_AU"]

# What the two engines call the classes that both know.
CLASSES = {
    "CREDIT_CARD": {"card", "CREDIT_CARD"},
    "EMAIL_ADDRESS": {"email", "EMAIL_ADDRESS"},
    "IBAN_CODE": {"iban", "IBAN_CODE"},
    "IP_ADDRESS": {"ipv4", "ipv6", "IP_ADDRESS"},
    "MAC_ADDRESS": {"mac", "MAC_ADDRESS"},
    "PHONE_NUMBER": {"phone", "PHONE_NUMBER"},
    "US_SSN": {"us_ssn", "US_SSN"},
    "US_DRIVER_LICENSE": {"us_driver_license", "US_DRIVER_LICENSE"},
}


def wilson(hits, total):
    """Share and its interval, in percent."""
    if total == 0:
        return "–"
    z, share = 1.96, hits / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total)) / (1 + z * z / total)
    return f"{100 * share:.1f} ({100 * max(0, middle - half):.1f}–{100 * min(1, middle + half):.1f})"


def sentences():
    """Texts, and in each the spans with their class."""
    faker = PresidioSentenceFaker("en_US", lower_case_ratio=0.05, random_seed=SEED)
    random.seed(SEED)
    for sample in faker.generate_new_fake_sentences(num_samples=SENTENCES):
        yield sample.full_text, [(s.start_position, s.end_position, s.entity_type) for s in sample.spans]


def faked():
    """One value between two sentences of its language, where nothing beside it announces it."""
    for locale in LOCALES:
        fake = Faker(locale)
        Faker.seed(SEED)
        makers = {
            "EMAIL_ADDRESS": fake.email,
            "IBAN_CODE": fake.iban,
            "CREDIT_CARD": fake.credit_card_number,
            "IP_ADDRESS": lambda: fake.ipv6() if fake.boolean() else fake.ipv4(),
            "MAC_ADDRESS": fake.mac_address,
            "PHONE_NUMBER": fake.phone_number,
        }
        for kind, make in makers.items():
            for _ in range(FAKED):
                before, value, after = fake.sentence(), make(), fake.sentence()
                start = len(before) + 1
                yield f"{before} {value} {after}", [(start, start + len(value), kind)]


# The beginnings of gitleaks' rules for secrets with a maker's own prefix or shape; the others go by a name beside them, in the main.
PREFIXED = tuple("""1password age-secret airtable-personal alibaba-access-key-id anthropic- atlassian- aws-access-token clojars databricks-
 digitalocean- doppler- duffel dynatrace easypost facebook-page flutterwave- flyio frameio gcp-api-key github- gitlab- grafana- hashicorp-
 huggingface- jwt linear-api mailgun-private microsoft-teams-webhook new-relic notion-api npm-access openai-api perplexity planetscale- postman-
 prefect private-key pulumi- pypi- readme rubygems- scalingo sendgrid-api sendinblue sentry- shippo shopify- slack- square-access stripe-access
 telegram tencent twilio typeform vault- yandex-aws""".split())

# National numbers that Faker makes with their check digits: the locale, its name for one, what makes it, and the word for it.
NUMBERS = [
    ("en_US", "ssn", "ssn"), ("en_GB", "ssn", "national insurance number"), ("de_DE", "rvnr", "Rentenversicherungsnummer"),
    ("fr_FR", "ssn", "sécurité sociale"), ("es_ES", "nif", "NIF"), ("es_ES", "nie", "NIE"), ("es_ES", "cif", "CIF"),
    ("it_IT", "ssn", "codice fiscale"), ("nl_NL", "ssn", "BSN"), ("pl_PL", "pesel", "PESEL"), ("pl_PL", "nip", "NIP"),
    ("pt_BR", "cpf", "CPF"), ("pt_BR", "cnpj", "CNPJ"), ("en_IN", "aadhaar_id", "Aadhaar"), ("en_CA", "ssn", "SIN"),
]


def numbers(program, recognizers):
    """National numbers between two sentences, alone and behind their name: which are found, under whatever name."""
    print("\n| number | values | hansard: alone % | behind its name % | Presidio: alone % | behind its name % |")
    print("|---|--:|--:|--:|--:|--:|")
    for locale, maker, word in NUMBERS:
        fake = Faker(locale)
        Faker.seed(SEED)
        values = [(fake.sentence(), str(getattr(fake, maker)()), fake.sentence()) for _ in range(FAKED)]
        cells = []
        for finds_of in [lambda texts: engines.hansard_spans(program, texts),
                         lambda texts: (engines.presidio_spans(recognizers, text) for text in texts)]:
            for name in ["", word + " "]:
                texts = [f"{before} {name}{value} {after}" for before, value, after in values]
                starts = [len(before) + 1 + len(name) for before, _, _ in values]
                spans = [(start, start + len(value)) for start, (_, value, _) in zip(starts, values)]
                hits = sum(covered(span, finds) == 0 for span, finds in zip(spans, finds_of(texts)))
                cells.append(wilson(hits, len(values)))
        print(f"| {word} ({locale}) | {len(values)} | " + " | ".join(cells) + " |")


def covered(span, found):
    """How many characters of the span no find covers."""
    start, end = span[:2]
    return sum(1 for at in range(start, end) if not any(s <= at < e for s, e, _ in found))


def table(title, data, found_by):
    print(f"\n{title}: {len(data)} texts, {sum(len(text) for text, _ in data)} characters\n")
    print("| class | values | " + " | ".join(f"{name}: recall % | leaked % | precision %" for name in found_by) + " |")
    print("|---|--:|" + "--:|--:|--:|" * len(found_by))
    for kind, names in CLASSES.items():
        gold = [(at, span) for at, (_, spans) in enumerate(data) for span in spans if span[2] == kind]
        if not gold:
            continue
        cells = []
        for found in found_by.values():
            left = [covered(span, found[at]) for at, span in gold]
            leaked = sum(left) / sum(end - start for _, (start, end, _) in gold)
            told = [(at, one) for at, finds in enumerate(found) for one in finds if one[2] in names]
            right = sum(any(one[0] < end and start < one[1] and k == kind for start, end, k in data[at][1]) for at, one in told)
            cells.append(f"{wilson(left.count(0), len(left))} | {100 * leaked:.1f} | {wilson(right, len(told))}")
        print(f"| {kind} | {len(gold)} | " + " | ".join(cells) + " |")
    for name, found in found_by.items():
        over = total = 0
        for (text, spans), finds in zip(data, found):
            masked = {at for start, end, _ in finds for at in range(start, end)}
            labelled = {at for start, end, _ in spans for at in range(start, end)}
            over, total = over + len(masked - labelled), total + len(text)
        print(f"\n{name}: {over} of {total} characters over-masked, {1e6 * over / total:.0f} per million")


def gitleaks(program, file):
    samples = [json.loads(line) for line in open(file, encoding="utf-8")]
    seen, kept = set(), []
    for one in samples:
        if one["text"] not in seen:
            seen.add(one["text"])
            kept.append(one)
    found = list(engines.hansard_spans(program, [one["text"] for one in kept]))
    rules = collections.defaultdict(lambda: [0, 0])
    hits = total = leaked = characters = alarms = negatives = 0
    kinds = {True: [0, 0], False: [0, 0]}
    missed = []
    for one, finds in zip(kept, found):
        if not one["positive"]:
            negatives += 1
            alarms += bool(finds)
            continue
        for secret in one["secrets"]:
            # Some of its patterns take the quotes along.
            secret = secret.strip("\"'` ")
            start = one["text"].find(secret)
            if start < 0 or not secret:
                continue
            left = covered((start, start + len(secret)), finds)
            hits, total = hits + (left == 0), total + 1
            leaked, characters = leaked + left, characters + len(secret)
            rules[one["rule"]][0] += left == 0
            rules[one["rule"]][1] += 1
            kind = kinds[one["rule"].startswith(PREFIXED)]
            kind[0], kind[1] = kind[0] + (left == 0), kind[1] + 1
            if left:
                missed.append((one["rule"], one["text"][:100]))
    whole = sum(1 for hit, all in rules.values() if hit == all)
    print(f"\ngitleaks' samples: {total} secrets of {len(rules)} rules\n")
    print(f"recall {wilson(hits, total)} %, leaked {100 * leaked / characters:.1f} % of characters; {whole} rules without a miss, ")
    print(f"{sum(1 for hit, _ in rules.values() if hit == 0)} without a hit; masked in {alarms} of {negatives} texts in which gitleaks' rules must find nothing")
    print(f"\nwith a maker's prefix or shape: {wilson(*kinds[True])} % of {kinds[True][1]}; others: {wilson(*kinds[False])} % of {kinds[False][1]}")
    none = sorted((rule for rule, (hit, _) in rules.items() if hit == 0))
    some = sorted(f"{rule} {hit}/{all}" for rule, (hit, all) in rules.items() if 0 < hit < all)
    print("\nwithout a hit: " + ", ".join(none))
    print("\nwith misses: " + ", ".join(some))
    if "--show" in sys.argv:
        for rule, text in missed:
            print(f"{rule}: {text!r}")


def main():
    program, samples = sys.argv[1:3]
    recognizers = engines.presidio()
    for title, data in [("presidio-evaluator", list(sentences())), ("Faker in twelve languages", list(faked()))]:
        texts = [text for text, _ in data]
        ours = list(engines.hansard_spans(program, texts))
        theirs = [engines.presidio_spans(recognizers, text) for text in texts]
        table(title, data, {"hansard": ours, "Presidio": theirs})
    numbers(program, recognizers)
    gitleaks(program, samples)


main()
