"""Reads what Hansard publishes as anybody would: Confluent's client, fastavro, and the schemas of the registry or of the tree.

usage: consumer.py CONFIGURATION    JSON: {"kafka": {…}, "registry": {…}, "schema": FILE, "counts": {TOPIC: N}}

Prints {TOPIC: [{"form": …, "value": …}]} once each topic has given as many messages.
"""

import io
import json
import sys
import time

import fastavro
from confluent_kafka import Consumer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext
from fastavro.schema import fingerprint, load_schema, to_parsing_canonical_form

PATIENCE_SECONDS = 60
configuration = json.loads(sys.argv[1])
registry = SchemaRegistryClient(configuration["registry"])
registered = AvroDeserializer(registry)
schema = load_schema(configuration["schema"])
# Sixteen digits of hex, lowest byte first, are what stands in a single object.
own = bytes.fromhex(fingerprint(to_parsing_canonical_form(json.load(open(configuration["schema"]))), "CRC-64-AVRO"))


def record(message):
    value = message.value()
    if value[0] == 0:
        headers = dict(message.headers())
        assert headers["avro-fingerprint"] == own[::-1].hex().encode(), (headers, own)
        context = SerializationContext(message.topic(), MessageField.VALUE)
        return {"form": "registered", "value": registered(value, context)}
    assert value[:2] == b"\xc3\x01", value[:10]
    assert value[2:10] == own, (value[:10], own)
    return {"form": "single object", "value": fastavro.schemaless_reader(io.BytesIO(value[10:]), schema)}


def event(message):
    return {"form": "event", "value": message.value().decode()}


def read(topic, count):
    consumer = Consumer({**configuration["kafka"], "group.id": f"siem-{topic}", "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    found, until = [], time.monotonic() + PATIENCE_SECONDS
    while len(found) < count:
        assert time.monotonic() < until, f"{len(found)} of {count} messages of {topic} came"
        message = consumer.poll(1.0)
        if message is None:
            continue
        assert message.error() is None, message.error()
        found.append(record(message) if topic == "hansard.records" else event(message))
    consumer.close()
    return found


print(json.dumps({topic: read(topic, count) for topic, count in configuration["counts"].items()}, default=str))
