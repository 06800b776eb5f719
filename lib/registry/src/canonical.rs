//! Whether two texts are one Avro schema: the CRC-64-AVRO of their Parsing Canonical Form.
//!
//! Registries keep a schema in a text of their own making; what makes it the schema it is stays in this form. It knows
//! what schemas of ours are made of: records, arrays, maps, unions, enums, fixed and primitive types.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// The polynomial, and the fingerprint of nothing.
const EMPTY: u64 = 0xc15d_213a_a4d7_a795;
/// Deepest nesting of types.
const DEPTH_MAX: usize = 32;

/// None where the text is no schema.
pub fn fingerprint(schema: &str) -> Option<u64> {
    let schema: Value = serde_json::from_str(schema).ok()?;
    let mut form = String::new();
    write_type(&mut form, &schema, "", 0)?;
    Some(crc64(form.as_bytes()))
}

fn crc64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(EMPTY, |crc, byte| {
        let shifted =
            (0..8).fold(
                (crc ^ u64::from(*byte)) & 0xFF,
                |bits, _| {
                    if bits & 1 == 1 { (bits >> 1) ^ EMPTY } else { bits >> 1 }
                },
            );
        (crc >> 8) ^ shifted
    })
}

fn write_type(form: &mut String, schema: &Value, namespace: &str, depth: usize) -> Option<()> {
    if depth > DEPTH_MAX {
        return None;
    }
    match schema {
        Value::String(name) => write_name(form, &full_name(name, namespace)),
        Value::Array(branches) => {
            write_list(form, branches, |form, branch| write_type(form, branch, namespace, depth + 1))
        }
        Value::Object(members) => write_object(form, members, namespace, depth),
        _ => None,
    }
}

/// Members in the order of the form: name, type, fields, symbols, items, values, size. All others say nothing of the bytes.
fn write_object(form: &mut String, members: &Map<String, Value>, namespace: &str, depth: usize) -> Option<()> {
    let kind = match members.get("type")? {
        Value::String(kind) => kind.as_str(),
        nested => return write_type(form, nested, namespace, depth + 1),
    };
    if !matches!(kind, "record" | "error" | "enum" | "fixed" | "array" | "map") {
        return write_name(form, &full_name(kind, namespace));
    }
    form.push('{');
    let within = write_full_name(form, members, namespace)?;
    write!(form, "\"type\":\"{kind}\"").ok()?;
    if let Some(fields) = members.get("fields") {
        form.push_str(",\"fields\":");
        write_list(form, fields.as_array()?, |form, field| write_field(form, field, &within, depth))?;
    }
    if let Some(symbols) = members.get("symbols") {
        form.push_str(",\"symbols\":");
        write_list(form, symbols.as_array()?, |form, symbol| write_name(form, symbol.as_str()?))?;
    }
    for of in ["items", "values"] {
        if let Some(item) = members.get(of) {
            write!(form, ",\"{of}\":").ok()?;
            write_type(form, item, &within, depth + 1)?;
        }
    }
    if let Some(size) = members.get("size") {
        write!(form, ",\"size\":{}", size.as_u64()?).ok()?;
    }
    form.push('}');
    Some(())
}

/// The namespace of what stands within.
fn write_full_name(form: &mut String, members: &Map<String, Value>, namespace: &str) -> Option<String> {
    let Some(name) = members.get("name") else { return Some(namespace.to_owned()) };
    let own = members.get("namespace").and_then(Value::as_str).unwrap_or(namespace);
    let name = full_name(name.as_str()?, own);
    form.push_str("\"name\":");
    write_name(form, &name)?;
    form.push(',');
    Some(name.rsplit_once('.').map_or("", |(namespace, _)| namespace).to_owned())
}

fn write_field(form: &mut String, field: &Value, namespace: &str, depth: usize) -> Option<()> {
    form.push_str("{\"name\":");
    write_name(form, field.get("name")?.as_str()?)?;
    form.push_str(",\"type\":");
    write_type(form, field.get("type")?, namespace, depth + 1)?;
    form.push('}');
    Some(())
}

fn write_list(
    form: &mut String,
    items: &[Value],
    mut write: impl FnMut(&mut String, &Value) -> Option<()>,
) -> Option<()> {
    form.push('[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            form.push(',');
        }
        write(form, item)?;
    }
    form.push(']');
    Some(())
}

fn write_name(form: &mut String, name: &str) -> Option<()> {
    write!(form, "\"{name}\"").ok()
}

fn full_name(name: &str, namespace: &str) -> String {
    let primitive = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"].contains(&name);
    if primitive || name.contains('.') || namespace.is_empty() {
        name.to_owned()
    } else {
        format!("{namespace}.{name}")
    }
}
