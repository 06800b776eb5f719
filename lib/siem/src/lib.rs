//! Records in the formats that SIEMs read: OCSF, ECS, CEF. Pure.
//!
//! All three tell the same of a record: who did what, when, through which connection, and how it was judged and ended.
//! What a format has no place for stands where it keeps such things (`unmapped`, `hansard.*`, custom strings), so that
//! every event leads back to its row: `record_id`, `exchange_id`, `approval_id`.
//!
//! It refuses to carry payloads: an event says how large the body was and what was masked in it; the body is in the
//! trail. It refuses to add what the record does not say.

mod cef;
mod ecs;
mod ocsf;
mod reading;

use schemas::{Record, topic};
use serde::Deserialize;

/// How an event is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// OCSF 1.8.0, API Activity (6003) with the profiles security_control, trace and ai_operation.
    Ocsf,
    /// Elastic Common Schema 8.
    Ecs,
    /// ArcSight Common Event Format, version 0.
    Cef,
}

impl Format {
    pub const ALL: [Format; 3] = [Format::Ocsf, Format::Ecs, Format::Cef];

    pub fn as_str(self) -> &'static str {
        match self {
            Format::Ocsf => "ocsf",
            Format::Ecs => "ecs",
            Format::Cef => "cef",
        }
    }

    /// Where the masker publishes events of this format.
    pub fn topic(self) -> &'static str {
        match self {
            Format::Ocsf => topic::OCSF,
            Format::Ecs => topic::ECS,
            Format::Cef => topic::CEF,
        }
    }
}

/// One event, in one line without its end.
pub fn line(record: &Record, format: Format) -> String {
    match format {
        Format::Ocsf => ocsf::event(record).to_string(),
        Format::Ecs => ecs::event(record).to_string(),
        Format::Cef => cef::event(record),
    }
}
