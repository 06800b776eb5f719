//! The names of the topics, and nothing of how they are stored.

/// Sealed frames: what ingress, approver and query saw or did. Kept for hours. Key: exchange id.
pub const FRAMES: &str = "hansard.frames";
/// Masked records, the audit rows. Key: exchange id.
pub const RECORDS: &str = "hansard.records";
/// Masked approval events. Key: approval id.
pub const APPROVALS: &str = "hansard.approvals";
/// Masked records as OCSF events in JSON, for SIEMs. Key: exchange id. Without payloads, as are the next two.
pub const OCSF: &str = "hansard.ocsf";
/// The same as documents of the Elastic Common Schema.
pub const ECS: &str = "hansard.ecs";
/// The same as lines of the ArcSight Common Event Format.
pub const CEF: &str = "hansard.cef";
/// Sealed frames that the masker could not turn into a full record. Key: exchange id.
pub const QUARANTINE: &str = "hansard.quarantine";
