//! Points in time as every schema stores them. The clock itself is passed in by whoever runs.

use std::{fmt, ops::Range, str::FromStr, sync::Arc, time::Duration};

/// Microseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

/// Where a stage takes the time from; the command passes the real one, tests pass theirs.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

impl Timestamp {
    /// Microseconds from `earlier` to `self`; 0 when the clock went back.
    pub fn micros_since(self, earlier: Timestamp) -> i64 {
        self.0.saturating_sub(earlier.0).max(0)
    }

    pub fn plus(self, span: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 with microseconds, as `2026-07-28T09:30:00.000000Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, micros) = (self.0.div_euclid(86_400_000_000), self.0.rem_euclid(86_400_000_000));
        let (year, month, day) = civil(days);
        let seconds = micros / 1_000_000;
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:06}Z",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60,
            micros % 1_000_000
        )
    }
}

/// Not a time as [`Timestamp`] is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a time in UTC with microseconds, as 2026-07-28T09:30:00.000000Z")]
pub struct NotATime;

impl FromStr for Timestamp {
    type Err = NotATime;

    /// Takes back exactly what is shown, and no other way to write the same time.
    fn from_str(text: &str) -> Result<Timestamp, NotATime> {
        const FORM: &[u8; 27] = b"0000-00-00T00:00:00.000000Z";
        let digits = |byte: &u8, form: &u8| if *form == b'0' { byte.is_ascii_digit() } else { byte == form };
        if text.len() != FORM.len() || !text.bytes().zip(FORM).all(|(byte, form)| digits(&byte, form)) {
            return Err(NotATime);
        }
        let number = |range: Range<usize>| text[range].parse::<i64>().map_err(|_| NotATime);
        let days = days(number(0..4)?, number(5..7)?, number(8..10)?);
        let seconds = (number(11..13)? * 60 + number(14..16)?) * 60 + number(17..19)?;
        let time = Timestamp((days * 86_400 + seconds) * 1_000_000 + number(20..26)?);
        // A thirteenth month or a 61st minute is another time, shown another way.
        if time.to_string() == text { Ok(time) } else { Err(NotATime) }
    }
}

/// A date to days since the epoch: the inverse of [`civil`].
fn days(year: i64, month: i64, day: i64) -> i64 {
    let march_year = year - i64::from(month <= 2);
    let (era, year_of_era) = (march_year.div_euclid(400), march_year.rem_euclid(400));
    let march_month = (month + 9) % 12;
    let day_of_year = (153 * march_month + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Days since the epoch to a date of the proleptic Gregorian calendar (eras of 400 years, years from March).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_dates_as_rfc_3339() {
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00.000000Z");
        assert_eq!(Timestamp(951_827_696_000_001).to_string(), "2000-02-29T12:34:56.000001Z");
        assert_eq!(Timestamp(-1).to_string(), "1969-12-31T23:59:59.999999Z");
        assert_eq!(Timestamp(4_107_542_399_000_000).to_string(), "2100-02-28T23:59:59.000000Z");
    }

    #[test]
    fn takes_back_what_it_shows_and_nothing_else() {
        for micros in (-62_135_596_800_000_000..253_402_300_800_000_000).step_by(1_234_567_890_123) {
            assert_eq!(Timestamp(micros).to_string().parse(), Ok(Timestamp(micros)));
        }
        let check = |text: &str| assert_eq!(text.parse::<Timestamp>(), Err(NotATime), "{text}");
        check("");
        check("2026-07-28T09:30:00Z");
        check("2026-07-28 09:30:00.000000Z");
        check("2026-13-28T09:30:00.000000Z");
        check("2026-00-28T09:30:00.000000Z");
        check("2026-02-29T09:30:00.000000Z");
        check("2026-07-28T24:30:00.000000Z");
        check("2026-07-28T09:60:00.000000Z");
        check("+026-07-28T09:30:00.000000Z");
        check("2026-07-28T09:30:00.0000ßZ");
    }
}
