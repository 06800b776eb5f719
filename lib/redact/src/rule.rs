//! The built-in rules: their names, their order of precedence, and what each promises to find. The promises are part
//! of the rule set's id, so a changed rule is another rule set. It refuses to hold the code that finds.

/// One rule. The order is the precedence where finds overlap: secrets first, the more specific first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Rule {
    PrivateKey,
    Jwt,
    AwsAccessKey,
    GithubToken,
    SlackToken,
    AnthropicKey,
    OpenaiKey,
    UrlCredential,
    Authorization,
    Cookie,
    AwsSecretKey,
    Password,
    Token,
    Secret,
    Card,
    Iban,
    UsSsn,
    Email,
    Phone,
    Ipv4,
}

impl Rule {
    pub(crate) const ALL: [Rule; 20] = [
        Rule::PrivateKey,
        Rule::Jwt,
        Rule::AwsAccessKey,
        Rule::GithubToken,
        Rule::SlackToken,
        Rule::AnthropicKey,
        Rule::OpenaiKey,
        Rule::UrlCredential,
        Rule::Authorization,
        Rule::Cookie,
        Rule::AwsSecretKey,
        Rule::Password,
        Rule::Token,
        Rule::Secret,
        Rule::Card,
        Rule::Iban,
        Rule::UsSsn,
        Rule::Email,
        Rule::Phone,
        Rule::Ipv4,
    ];

    /// The word in `[REDACTED:<rule>]` and in the evidence.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Rule::PrivateKey => "private_key",
            Rule::Jwt => "jwt",
            Rule::AwsAccessKey => "aws_access_key",
            Rule::GithubToken => "github_token",
            Rule::SlackToken => "slack_token",
            Rule::AnthropicKey => "anthropic_key",
            Rule::OpenaiKey => "openai_key",
            Rule::UrlCredential => "url_credential",
            Rule::Authorization => "authorization",
            Rule::Cookie => "cookie",
            Rule::AwsSecretKey => "aws_secret_key",
            Rule::Password => "password",
            Rule::Token => "token",
            Rule::Secret => "secret",
            Rule::Card => "card",
            Rule::Iban => "iban",
            Rule::UsSsn => "us_ssn",
            Rule::Email => "email",
            Rule::Phone => "phone",
            Rule::Ipv4 => "ipv4",
        }
    }

    /// What the rule finds, in the words that enter the rule set's id.
    pub(crate) fn promise(self) -> &'static str {
        match self {
            Rule::PrivateKey => "PEM block of a private key, also cut off at either end",
            Rule::Jwt => "eyJ… with two to five base64url parts",
            Rule::AwsAccessKey => "AKIA or ASIA and 16 or more of [A-Z0-9]",
            Rule::GithubToken => "gh[pousr]_ and 20 or more of [A-Za-z0-9], github_pat_ and 22 or more of [A-Za-z0-9_]",
            Rule::SlackToken => "xox[abeprs]- or xapp- and 10 or more of [A-Za-z0-9-] with a digit",
            Rule::AnthropicKey => "sk-ant- and 16 or more of [A-Za-z0-9_-]",
            Rule::OpenaiKey => "sk- at a word's start and 20 or more of [A-Za-z0-9_-] with a digit and a capital",
            Rule::UrlCredential => "the password in scheme://user:password@host",
            Rule::Authorization => "the credentials of an authorization header, Bearer and 16 or more token characters",
            Rule::Cookie => "the value of a cookie header",
            Rule::AwsSecretKey => "the value of a name that ends in secretaccesskey or awssecretkey",
            Rule::Password => "the value of a password's name",
            Rule::Token => "the value of a token's name",
            Rule::Secret => "the value of a secret's or key's name",
            Rule::Card => "13 to 19 digits of a card brand's prefix and length, Luhn",
            Rule::Iban => "IBAN with its country's length, mod 97",
            Rule::UsSsn => "AAA-GG-SSSS as issued, nine digits under its name",
            Rule::Email => "local@domain.tld",
            Rule::Phone => "+ and a calling code with 8 to 15 digits, US forms with separators, digits under its name",
            Rule::Ipv4 => "four octets, no longer dotted number",
        }
    }

    fn of_name(name: &[u8]) -> Option<Rule> {
        Rule::ALL.into_iter().find(|rule| rule.name().as_bytes() == name)
    }
}

/// How every replacement starts.
pub(crate) const TOKEN_START: &str = "[REDACTED:";

/// What stands in the place of a value.
pub(crate) fn token(rule: Rule) -> String {
    format!("{TOKEN_START}{}]", rule.name())
}

/// What stands in the place of a value in a key: numbered by the member's place, so that keys stay distinct.
pub(crate) fn key_token(rule: Rule, member: u64) -> String {
    format!("{TOKEN_START}{}#{member}]", rule.name())
}

/// The numbers of the replacements in a key.
pub(crate) fn numbers_in(key: &str) -> impl Iterator<Item = u64> {
    key.match_indices(TOKEN_START).filter_map(|(at, _)| {
        let token = key.get(at..token_end(key.as_bytes(), at)?)?;
        let number = token.trim_end_matches(']').split_once('#')?.1.parse().ok()?;
        // Numbers beyond are out of the reach of a document's members.
        (number < u64::from(u32::MAX)).then_some(number)
    })
}

/// Where the replacement that starts at `at` ends, if a replacement of ours is there.
pub(crate) fn token_end(text: &[u8], at: usize) -> Option<usize> {
    const LONGEST: usize = 48;
    let start = at + TOKEN_START.len();
    if !text[at..].starts_with(TOKEN_START.as_bytes()) {
        return None;
    }
    let window = &text[start..text.len().min(start + LONGEST)];
    let length = window.iter().position(|byte| *byte == b']')?;
    let mut parts = window[..length].splitn(2, |byte| *byte == b'#');
    Rule::of_name(parts.next()?)?;
    let number = parts.next().is_none_or(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit));
    number.then_some(start + length + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_its_own_replacements_and_no_others() {
        for rule in Rule::ALL {
            let (plain, keyed) = (token(rule), key_token(rule, 12));
            assert_eq!(token_end(plain.as_bytes(), 0), Some(plain.len()));
            assert_eq!(token_end(keyed.as_bytes(), 0), Some(keyed.len()));
        }
        for foreign in ["[REDACTED:hunter2]", "[REDACTED:email", "[REDACTED:email#]", "[REDACTED:email#x1]"] {
            assert_eq!(token_end(foreign.as_bytes(), 0), None, "{foreign}");
        }
    }

    #[test]
    fn the_list_is_whole_and_in_order() {
        assert!(Rule::ALL.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(Rule::ALL.len(), Rule::Ipv4 as usize + 1);
    }
}
