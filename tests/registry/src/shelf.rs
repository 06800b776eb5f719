//! What is registered.

use std::{collections::BTreeMap, fmt};

use apache_avro::{Schema, schema_compatibility::SchemaCompatibility};
use axum::http::StatusCode;

/// An error as the API has it.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) status: StatusCode,
    pub(crate) code: u32,
    pub(crate) message: String,
}

#[derive(Debug, Default)]
pub(crate) struct Shelf {
    /// The registry's own texts; the id of each is its place, from 1.
    schemas: Vec<String>,
    /// Ids, oldest version first.
    subjects: BTreeMap<String, Vec<u32>>,
}

impl Fault {
    fn new(status: StatusCode, code: u32, message: String) -> Fault {
        Fault { status, code, message }
    }

    pub(crate) fn invalid(why: &dyn fmt::Display) -> Fault {
        Fault::new(StatusCode::UNPROCESSABLE_ENTITY, 42201, format!("Invalid schema: {why}"))
    }

    fn unknown_subject(subject: &str) -> Fault {
        Fault::new(StatusCode::NOT_FOUND, 40401, format!("Subject '{subject}' not found."))
    }

    fn unknown_schema() -> Fault {
        Fault::new(StatusCode::NOT_FOUND, 40403, "Schema not found".to_owned())
    }
}

impl Shelf {
    pub(crate) fn versions(&self, subject: &str) -> Vec<(u32, String)> {
        let ids = self.subjects.get(subject).into_iter().flatten();
        ids.map(|id| (*id, self.schemas[*id as usize - 1].clone())).collect()
    }

    pub(crate) fn find(&self, subject: &str, schema: &str) -> Result<(u32, usize, String), Fault> {
        let text = own_text(schema)?;
        let versions = self.versions(subject);
        if versions.is_empty() {
            return Err(Fault::unknown_subject(subject));
        }
        let place = versions.iter().position(|(_, held)| *held == text).ok_or_else(Fault::unknown_schema)?;
        Ok((versions[place].0, place + 1, text))
    }

    /// Under the compatibility BACKWARD: who knows the new schema can read what the last one wrote.
    pub(crate) fn register(&mut self, subject: &str, schema: &str) -> Result<u32, Fault> {
        let text = own_text(schema)?;
        if let Ok((id, ..)) = self.find(subject, schema) {
            return Ok(id);
        }
        if let Some((_, last)) = self.versions(subject).last() {
            let (old, new) = (parsed(last)?, parsed(&text)?);
            SchemaCompatibility::can_read(&old, &new).map_err(|why| {
                let message = format!(
                    "Schema being registered is incompatible with an earlier schema for subject \"{subject}\", details: [{why}]"
                );
                Fault::new(StatusCode::CONFLICT, 409, message)
            })?;
        }
        let place = self.schemas.iter().position(|held| *held == text).unwrap_or_else(|| {
            self.schemas.push(text);
            self.schemas.len() - 1
        });
        let id = u32::try_from(place + 1).unwrap();
        self.subjects.entry(subject.to_owned()).or_default().push(id);
        Ok(id)
    }

    pub(crate) fn version(&self, subject: &str, version: &str) -> Result<(u32, usize, String), Fault> {
        let versions = self.versions(subject);
        if versions.is_empty() {
            return Err(Fault::unknown_subject(subject));
        }
        let number = if version == "latest" { Some(versions.len()) } else { version.parse().ok().filter(|n| *n > 0) };
        let invalid = || {
            let message = format!("The specified version '{version}' is not a valid version id.");
            Fault::new(StatusCode::UNPROCESSABLE_ENTITY, 42202, message)
        };
        let number = number.ok_or_else(invalid)?;
        let unknown = || Fault::new(StatusCode::NOT_FOUND, 40402, format!("Version {number} not found."));
        let (id, schema) = versions.get(number - 1).cloned().ok_or_else(unknown)?;
        Ok((id, number, schema))
    }

    pub(crate) fn schema(&self, id: &str) -> Result<String, Fault> {
        let place = id.parse::<usize>().ok().and_then(|id| id.checked_sub(1));
        place.and_then(|place| self.schemas.get(place)).cloned().ok_or_else(Fault::unknown_schema)
    }
}

/// The schema in the words of this registry: members in an order of its own, and no space between them.
fn own_text(schema: &str) -> Result<String, Fault> {
    parsed(schema)?;
    let value: serde_json::Value = serde_json::from_str(schema).map_err(|error| Fault::invalid(&error))?;
    Ok(value.to_string())
}

fn parsed(schema: &str) -> Result<Schema, Fault> {
    Schema::parse_str(schema).map_err(|error| Fault::invalid(&error))
}
