//! What a statement may be before anything plans it: not too long, not too deep.
//!
//! Parsers, planners and destructors recurse into a syntax tree, and some of what they do grows with the square of its
//! depth. A tree is never deeper than its statement has words and signs, so a limit on these bounds them all; the threads
//! of the engine have the stack for it. Values and commas do not count: a long list of ids is not deep.

use datafusion::sql::sqlparser::{
    dialect::GenericDialect,
    keywords::Keyword,
    tokenizer::{Token, Tokenizer},
};

use crate::{Config, Error};

/// Refuses what is too long or too deep, and what is not SQL at all.
pub(crate) fn check(statement: &str, config: &Config) -> Result<(), Error> {
    if statement.len() > config.statement_bytes_max {
        return Err(Error::TooLong { bytes_max: config.statement_bytes_max });
    }
    let tokens = Tokenizer::new(&GenericDialect {}, statement)
        .tokenize()
        .map_err(|error| Error::Statement(error.to_string()))?;
    if tokens.iter().filter(|token| deepens(token)).count() > config.statement_tokens_max {
        return Err(Error::TooDeep { what: "too many words and signs", max: config.statement_tokens_max });
    }
    if depth(&tokens) > config.depth_max {
        return Err(Error::TooDeep { what: "too deep a nesting", max: config.depth_max });
    }
    Ok(())
}

fn deepens(token: &Token) -> bool {
    !matches!(token, Token::Whitespace(_) | Token::Comma | Token::Number(..) | Token::SingleQuotedString(_))
}

fn depth(tokens: &[Token]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for token in tokens {
        match token {
            Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
            Token::Word(word) if word.keyword == Keyword::CASE => depth += 1,
            Token::RParen | Token::RBracket | Token::RBrace => depth = depth.saturating_sub(1),
            Token::Word(word) if word.keyword == Keyword::END => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_says(statement: &str) -> String {
        check(statement, &Config::default()).map_or_else(|error| error.to_string(), |()| "fine".to_owned())
    }

    #[test]
    fn an_ordinary_statement_passes() {
        assert_eq!(check_says("select count(*) from records where (a = 1 and (b = 2 or c in (1, 2)))"), "fine");
    }

    #[test]
    fn length_depth_and_number_of_tokens_are_bounded() {
        assert!(check_says(&" ".repeat(64 * 1024 + 1)).contains("longer than 65536 bytes"));
        assert!(check_says(&format!("select {}1", "(".repeat(49))).contains("too deep a nesting"));
        assert!(check_says(&format!("select {}", "case ".repeat(49))).contains("too deep a nesting"));
        assert!(check_says(&format!("select 1{}", "+1".repeat(1_000))).contains("too many words"));
        assert_eq!(check_says(&format!("select 1{}", "+1".repeat(999))), "fine");
    }

    #[test]
    fn brackets_side_by_side_are_not_deep() {
        assert_eq!(check_says(&format!("select {}1", "(1) + ".repeat(200))), "fine");
    }

    #[test]
    fn a_long_list_of_values_is_not_deep() {
        let ids = vec!["'0190a000-0000-7000-8000-000000000000'"; 1_600].join(",");
        assert_eq!(check_says(&format!("select * from records where exchange_id in ({ids})")), "fine");
    }

    #[test]
    fn an_open_quote_is_a_clear_error() {
        assert!(check_says("select 'abc").contains("Unterminated string literal"));
    }
}
