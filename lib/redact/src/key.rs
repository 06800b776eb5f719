//! Names that announce a secret: `password`, `X-Api-Key`, `clientSecret` … and those that only look so.
//!
//! A name is compared without `_`, `-`, `.` and spaces and in lower case. It refuses to look at the value.

use crate::rule::Rule;

/// Longest name that is looked at, in bytes.
pub(crate) const NAME_BYTES_MAX: usize = 96;

/// Names, normalised, and the rule of their values. A name matches when it ends in one of these; the first wins.
pub(crate) const ENDINGS: &[(&str, Rule)] = &[
    ("secretaccesskey", Rule::AwsSecretKey),
    ("awssecretkey", Rule::AwsSecretKey),
    ("authorization", Rule::Authorization),
    ("cookie", Rule::Cookie),
    ("password", Rule::Password),
    ("passwordhash", Rule::Password),
    ("passwordconfirmation", Rule::Password),
    ("passwordconfirm", Rule::Password),
    ("passwd", Rule::Password),
    ("passphrase", Rule::Password),
    ("passcode", Rule::Password),
    ("pwd", Rule::Password),
    ("dbpass", Rule::Password),
    ("userpass", Rule::Password),
    ("smtppass", Rule::Password),
    ("mysqlpass", Rule::Password),
    ("token", Rule::Token),
    ("tokenvalue", Rule::Token),
    ("jwt", Rule::Token),
    ("sessionid", Rule::Token),
    ("secret", Rule::Secret),
    ("secretvalue", Rule::Secret),
    ("secretkey", Rule::Secret),
    ("secretkeybase", Rule::Secret),
    ("apikey", Rule::Secret),
    ("appkey", Rule::Secret),
    ("authkey", Rule::Secret),
    ("accesskey", Rule::Secret),
    ("accountkey", Rule::Secret),
    ("sharedaccesskey", Rule::Secret),
    ("privatekey", Rule::Secret),
    ("signingkey", Rule::Secret),
    ("encryptionkey", Rule::Secret),
    ("masterkey", Rule::Secret),
    ("subscriptionkey", Rule::Secret),
    ("licensekey", Rule::Secret),
    ("storagekey", Rule::Secret),
    ("servicekey", Rule::Secret),
    ("hmackey", Rule::Secret),
    ("sharedkey", Rule::Secret),
    ("credential", Rule::Secret),
    ("credentials", Rule::Secret),
    ("socialsecuritynumber", Rule::UsSsn),
    ("socialsecurity", Rule::UsSsn),
    ("phonenumber", Rule::Phone),
    ("telephone", Rule::Phone),
    ("mobilenumber", Rule::Phone),
];

/// Names that match only in whole: as an ending they would be part of ordinary words.
pub(crate) const WHOLE: &[(&str, Rule)] = &[
    ("pass", Rule::Password),
    ("pw", Rule::Password),
    ("pin", Rule::Password),
    ("pincode", Rule::Password),
    ("otp", Rule::Password),
    ("cvv", Rule::Password),
    ("cvc", Rule::Password),
    ("auth", Rule::Secret),
    ("ssn", Rule::UsSsn),
    ("userssn", Rule::UsSsn),
    ("phone", Rule::Phone),
    ("mobile", Rule::Phone),
    ("mobilephone", Rule::Phone),
    ("homephone", Rule::Phone),
    ("workphone", Rule::Phone),
    ("tel", Rule::Phone),
];

/// Endings that are no secrets although they end in a name of [`ENDINGS`].
pub(crate) const STOPS: &[&str] = &[
    "pagetoken",
    "nexttoken",
    "continuationtoken",
    "synctoken",
    "deltatoken",
    "progresstoken",
    "cursortoken",
    "starttoken",
    "endtoken",
    "stoptoken",
    "eostoken",
    "bostoken",
    "padtoken",
    "unktoken",
    "masktoken",
    "septoken",
    "pertoken",
    "maxtoken",
    "hastoken",
    "publickeytoken",
    "unexpectedtoken",
    "forgotpassword",
    "resetpassword",
    "haspassword",
    "showpassword",
    "requirepassword",
    "publicaccesskey",
    "isprivatekey",
];

/// The rule of the values under this name.
pub(crate) fn rule_of(name: &[u8]) -> Option<Rule> {
    if name.len() > NAME_BYTES_MAX {
        return None;
    }
    let plain = normalised(name);
    let plain = plain.trim_end_matches(|letter: char| letter.is_ascii_digit());
    if let Some((_, rule)) = WHOLE.iter().find(|(whole, _)| *whole == plain) {
        return Some(*rule);
    }
    let (_, rule) = ENDINGS.iter().find(|(ending, _)| plain.ends_with(ending))?;
    (!STOPS.iter().any(|stop| plain.ends_with(stop))).then_some(*rule)
}

/// The bare name `token`, which also names the pieces that models read and write.
pub(crate) fn is_bare_token(name: &[u8]) -> bool {
    normalised(name) == "token"
}

fn normalised(name: &[u8]) -> String {
    let kept = name.iter().filter(|byte| !matches!(byte, b'_' | b'-' | b'.' | b' '));
    kept.map(|byte| if byte.is_ascii() { byte.to_ascii_lowercase() as char } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_secret_names_from_their_look_alikes() {
        for (name, rule) in [
            ("password", Rule::Password),
            ("DB_PASSWORD", Rule::Password),
            ("user.pass-word2", Rule::Password),
            ("clientSecret", Rule::Secret),
            ("X-Api-Key", Rule::Secret),
            ("AWS_SECRET_ACCESS_KEY", Rule::AwsSecretKey),
            ("access_token", Rule::Token),
            ("Mcp-Session-Id", Rule::Token),
            ("Set-Cookie", Rule::Cookie),
            ("Proxy-Authorization", Rule::Authorization),
            ("ssn", Rule::UsSsn),
        ] {
            assert_eq!(rule_of(name.as_bytes()), Some(rule), "{name}");
        }
        for name in [
            "max_tokens",
            "token_count",
            "nextPageToken",
            "progressToken",
            "password_policy",
            "secretName",
            "public_key",
            "primary key",
            "compass",
            "token_type",
            "cost_per_token",
            "keyboard",
            "author",
            "",
        ] {
            assert_eq!(rule_of(name.as_bytes()), None, "{name}");
        }
    }
}
