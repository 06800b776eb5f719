//! What the explorer is asked to show. Values become placeholders of its statements, never their text.

use std::time::Duration;

use chrono::{NaiveDate, NaiveDateTime};
use datafusion::scalar::ScalarValue;
use schemas::Timestamp;
use url::form_urlencoded;

use crate::{Error, engine::Statement};

/// Shown when no time is given.
const SHOWN: Duration = Duration::from_secs(24 * 3600);
const MICROS_PER_DAY: i64 = 24 * 3_600_000_000;

/// The filter that is chosen from a list.
pub(super) const OUTCOME: &str = "outcome";

const EXCHANGES: &str = "select exchange_id, conversation_id, date_trunc('millisecond', occurred_at) as at, \
    coalesce(name, subject) as who, connection, method, target, verdict, outcome, duration_us / 1000 as ms, redaction_status";
const WHO: &str = "select coalesce(name, subject, 'nobody') as \"Who\", count(*) as \"Calls\", count(*) filter (where refused) as \"Refusals\", \
    count(*) filter (where not refused and outcome <> 'ok') as \"Errors\", date_trunc('second', max(occurred_at)) as \"Last seen (UTC)\"";
const WHAT: &str = "select connection as \"Connection\", method as \"Method\", target as \"Target\", count(*) as \"Calls\", \
    count(*) filter (where refused) as \"Refusals\", count(*) filter (where not refused and outcome <> 'ok') as \"Errors\", \
    max(duration_us) / 1000 as \"Slowest, ms\"";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filters {
    who: String,
    connection: String,
    target: String,
    outcome: String,
    from: String,
    to: String,
    from_at: Timestamp,
    to_at: Option<Timestamp>,
}

impl Filters {
    pub(super) fn read(query: &str, now: Timestamp) -> Result<Filters, Error> {
        let mut filters = Filters::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let value = value.trim().to_owned();
            match name.as_ref() {
                "who" => filters.who = value,
                "connection" => filters.connection = value,
                "target" => filters.target = value,
                "outcome" => filters.outcome = value,
                "from" => filters.from = value,
                "to" => filters.to = value,
                _ => return Err(Error::Malformed(format!("there is no filter {name}"))),
            }
        }
        let (shown, span) =
            (i64::try_from(SHOWN.as_micros()).unwrap_or(MICROS_PER_DAY), time(&filters.to, MICROS_PER_DAY)?);
        filters.to_at = span;
        filters.from_at = time(&filters.from, 0)?.unwrap_or(Timestamp(now.0.saturating_sub(shown)));
        Ok(filters)
    }

    pub(super) fn texts(&self) -> [(&'static str, &str); 6] {
        [
            ("who", &self.who),
            ("connection", &self.connection),
            ("target", &self.target),
            (OUTCOME, &self.outcome),
            ("from", &self.from),
            ("to", &self.to),
        ]
    }

    pub(super) fn to_json(&self) -> serde_json::Value {
        let set = self.texts().into_iter().filter(|(_, value)| !value.is_empty());
        set.map(|(name, value)| (name.to_owned(), serde_json::Value::from(value))).collect()
    }

    /// Exchanges, who, what.
    pub(super) fn statements(&self) -> Vec<Statement> {
        let (condition, values) = self.condition();
        let asked = [
            format!("{EXCHANGES} from exchanges where {condition} order by occurred_at desc limit 100"),
            format!("{WHO} from exchanges where {condition} group by 1 order by \"Calls\" desc, 1 limit 20"),
            format!(
                "{WHAT} from exchanges where {condition} group by 1, 2, 3 order by \"Calls\" desc, 1, 2, 3 limit 20"
            ),
        ];
        asked.into_iter().map(|sql| Statement { sql, values: values.clone() }).collect()
    }

    fn condition(&self) -> (String, Vec<ScalarValue>) {
        let mut parts = vec!["occurred_at >= $1".to_owned()];
        let mut values = vec![timestamp(self.from_at)];
        if let Some(to) = self.to_at {
            values.push(timestamp(to));
            parts.push(format!("occurred_at < ${}", values.len()));
        }
        let equal = [("connection", &self.connection), ("target", &self.target), ("outcome", &self.outcome)];
        for (column, value) in equal.into_iter().filter(|(_, value)| !value.is_empty()) {
            values.push(ScalarValue::from(value.as_str()));
            parts.push(format!("{column} = ${}", values.len()));
        }
        if !self.who.is_empty() {
            values.push(ScalarValue::from(self.who.as_str()));
            parts.push(format!("(subject = ${0} or name = ${0})", values.len()));
        }
        (parts.join(" and "), values)
    }
}

fn timestamp(at: Timestamp) -> ScalarValue {
    ScalarValue::TimestampMicrosecond(Some(at.0), Some("UTC".into()))
}

/// A date or a minute, UTC; none of an empty text. A date alone means its first moment plus `day_us`.
fn time(text: &str, day_us: i64) -> Result<Option<Timestamp>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    if let Ok(date) = text.parse::<NaiveDate>() {
        let start = date.and_hms_opt(0, 0, 0).expect("midnight is a time").and_utc().timestamp_micros();
        return Ok(Some(Timestamp(start.saturating_add(day_us))));
    }
    let bare = text.trim_end_matches('Z');
    let minute = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S%.f"];
    let parsed = minute.iter().find_map(|form| NaiveDateTime::parse_from_str(bare, form).ok());
    let parsed = parsed.ok_or_else(|| Error::Malformed(format!("{text} is not a time: write 2026-07-28T09:30")))?;
    Ok(Some(Timestamp(parsed.and_utc().timestamp_micros())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_never_become_part_of_the_statement() {
        let filters = Filters::read("who=%27+or+1%3D1--&outcome=ok&to=2026-07-28", Timestamp(0)).expect("filters");
        for statement in filters.statements() {
            assert!(!statement.sql.contains("1=1"), "{}", statement.sql);
            assert_eq!(statement.values.len(), 4);
        }
    }

    #[test]
    fn a_day_ends_with_its_last_moment() {
        let filters = Filters::read("from=2026-07-28&to=2026-07-28", Timestamp(0)).expect("filters");
        assert_eq!(filters.from_at.to_string(), "2026-07-28T00:00:00.000000Z");
        assert_eq!(filters.to_at.expect("to").to_string(), "2026-07-29T00:00:00.000000Z");
    }

    #[test]
    fn without_a_time_the_last_day_is_shown() {
        let now = Timestamp(2 * MICROS_PER_DAY);
        assert_eq!(Filters::read("", now).expect("filters").from_at, Timestamp(MICROS_PER_DAY));
    }

    #[test]
    fn what_is_no_time_and_no_filter_is_said() {
        assert!(Filters::read("from=yesterday", Timestamp(0)).is_err());
        assert!(Filters::read("colour=blue", Timestamp(0)).is_err());
    }
}
