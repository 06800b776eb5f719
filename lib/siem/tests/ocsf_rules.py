"""Writes ocsf-1.8.0.json: what the published schema says of the class and the objects that our events are made of.

    git clone https://github.com/ocsf/ocsf-schema && git -C ocsf-schema checkout 3dcb905d    # version.json: 1.8.0
    python3 ocsf_rules.py ocsf-schema > ocsf-1.8.0.json

It resolves what the schema leaves to its compiler: `extends`, `$include`, profiles, the dictionary, types of types. Objects
that our events do not use are left out, and so are attributes of such objects: an event that has one is a fault.
"""

import json
import pathlib
import sys

PROFILES = ["security_control", "trace", "ai_operation"]
OBJECTS = """actor ai_model api firewall_rule group http_response idp message_context metadata network_endpoint policy product
    request resource_details response service session span trace user""".split()
PLAIN = ["string_t", "integer_t", "long_t", "float_t", "boolean_t", "json_t"]
root = pathlib.Path(sys.argv[1])
dictionary = json.loads((root / "dictionary.json").read_text())
types = dictionary["types"]["attributes"]
used = set()


def read(path):
    return json.loads((root / path).read_text())


def find(folder, name):
    name = name.removeprefix("_")
    for path in sorted((root / folder).rglob(f"*{name}.json")):
        if path.stem.removeprefix("_") == name:
            return json.loads(path.read_text())
    raise SystemExit(f"no {name} in {folder}")


def merged(folder, definition):
    """Attributes and constraints, those of the ancestors and includes first."""
    attributes, constraints = {}, {}
    if "extends" in definition and definition["extends"] != "object":
        attributes, constraints = merged(folder, find(folder, definition["extends"]))
    own = dict(definition.get("attributes", {}))
    for included in own.pop("$include", []):
        if pathlib.Path(included).stem in PROFILES or not included.startswith("profiles/"):
            for name, attribute in read(included)["attributes"].items():
                attributes[name] = {**attributes.get(name, {}), **attribute}
    for name, attribute in own.items():
        attributes[name] = {**attributes.get(name, {}), **attribute}
    return attributes, {**constraints, **definition.get("constraints", {})}


def rule(name, attribute):
    attribute = {**dictionary["attributes"][name], **attribute}
    kind = attribute["type"]
    if kind not in types and kind not in OBJECTS and kind != "object":
        return None
    found = {"type": kind}
    if attribute.get("is_array"):
        found["array"] = True
    if attribute.get("requirement") == "required":
        found["required"] = True
    if "@deprecated" in attribute:
        found["deprecated"] = True
    enum = {**dictionary["attributes"][name].get("enum", {}), **attribute.get("enum", {})}
    if enum:
        found["enum"] = {key: value["caption"] for key, value in sorted(enum.items(), key=lambda item: (len(item[0]), item[0]))}
        if "sibling" in attribute:
            found["sibling"] = attribute["sibling"]
    if kind in types:
        used.add(kind)
    return found


def rules(attributes, constraints):
    found = {name: rule(name, attribute) for name, attribute in sorted(attributes.items())}
    result = {"attributes": {name: rule for name, rule in found.items() if rule}}
    return result | {name: constraints[name] for name in ("at_least_one", "just_one") if name in constraints}


def event():
    attributes, constraints = merged("events", find("events", "api_activity"))
    for profile in PROFILES:
        for name, attribute in read(f"profiles/{profile}.json")["attributes"].items():
            attributes[name] = {**attribute, **attributes.get(name, {})}
    # What the compiler makes of the class: its number, that of its category, and those of its activities.
    activities = {**dictionary["attributes"]["activity_id"].get("enum", {}), **attributes["activity_id"]["enum"]}
    categories = read("categories.json")["attributes"]["application"]
    category, name = categories["uid"], categories["caption"]
    uid = category * 1000 + 3
    attributes["category_uid"] = {**attributes["category_uid"], "enum": {str(category): {"caption": name}}}
    attributes["class_uid"] = {**attributes["class_uid"], "enum": {str(uid): {"caption": "API Activity"}}}
    numbers = {str(uid * 100 + int(key)): {"caption": f"API Activity: {value['caption']}"} for key, value in activities.items()}
    attributes["type_uid"] = {**attributes["type_uid"], "enum": numbers}
    return rules(attributes, constraints)


def kind(name):
    keys = ("type", "regex", "max_len", "range", "values")
    return {key: types[name][key] for key in keys if key in types[name]}


def shown(value, depth=0):
    """One attribute to a line."""
    if not isinstance(value, dict) or not value or isinstance(value.get("type"), str):
        return json.dumps(value)
    inner = ",\n".join(f"{'  ' * (depth + 1)}{json.dumps(key)}: {shown(item, depth + 1)}" for key, item in value.items())
    return f"{{\n{inner}\n{'  ' * depth}}}"


found = {"version": read("version.json")["version"], "event": event()}
found["objects"] = {name: rules(*merged("objects", find("objects", name))) for name in OBJECTS}
for name in list(used):
    while "type" in types[name]:
        name = types[name]["type"]
        used.add(name)
found["types"] = {name: kind(name) for name in sorted(used)}
print(shown(found))
