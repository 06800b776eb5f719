//! What the demo prints: the trail as tables, the search, and what held.

use anyhow::{Result, anyhow};
use query::{Asker, Trail};
use schemas::Timestamp;

use super::{
    secrets::{Search, Secrets},
    story::Expectation,
};
use crate::{data::DataDirectory, reading, table, up::Running};

/// One table of the demo: its heading, the question, and how many rows it must have at least.
struct Question {
    heading: &'static str,
    sql: &'static str,
    rows_min: usize,
}

const QUESTIONS: [Question; 4] = [
    Question {
        heading: "Who called what, when, with what outcome",
        sql: "SELECT to_char(occurred_at, '%H:%M:%S%.3f') AS at, subject, protocol, method, target, verdict, outcome, \
              duration_us / 1000 AS ms FROM exchanges WHERE occurred_at >= $BEGAN ORDER BY occurred_at",
        rows_min: 10,
    },
    Question {
        heading: "What was masked",
        sql: "SELECT r.kind, r.target, red['rule'] AS rule, red['pointer'] AS place, count(*) AS times \
              FROM (SELECT kind, target, unnest(redactions) AS red FROM records WHERE occurred_at >= $BEGAN) AS r \
              GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
        rows_min: 4,
    },
    Question {
        heading: "A masked answer, as it is kept",
        sql: "SELECT regexp_match(body, '\"text\":\"([^\"]*)\"')[1] AS text FROM records WHERE kind = 'response' AND target = 'read_settings' AND occurred_at >= $BEGAN",
        rows_min: 1,
    },
    Question {
        heading: "The approval",
        sql: "SELECT subject AS requester, target, rule, state, voters, to_char(decided_at, '%H:%M:%S%.3f') AS decided FROM approvals WHERE held_at >= $BEGAN",
        rows_min: 1,
    },
];

/// Asks the trail, prints the answers, and says what must be in them.
#[expect(clippy::print_stdout, reason = "the tables are what the demo is asked for")]
pub async fn trail(trail: &Trail, asker: &Asker, began_at: Timestamp) -> Result<Vec<Expectation>> {
    let mut expectations = Vec::new();
    for question in QUESTIONS {
        let began = format!("TIMESTAMP '{began_at}'");
        let answer = trail
            .sql(asker, &question.sql.replace("$BEGAN", &began))
            .await
            .map_err(|error| anyhow!("{}: {error}", question.heading))?;
        println!("\n{}\n{}", question.heading, reading::table(&answer)?);
        let rows = answer.batches.iter().map(|batch| batch.num_rows()).sum::<usize>();
        expectations.push(Expectation {
            what: format!("the trail answers: {}", question.heading.to_lowercase()),
            held: rows >= question.rows_min,
            seen: format!("{rows} rows"),
        });
    }
    Ok(expectations)
}

/// Searches every byte below the data directory for what was planted.
#[expect(clippy::print_stdout, reason = "the tables are what the demo is asked for")]
pub fn search(secrets: &Secrets, data: &DataDirectory) -> Result<Vec<Expectation>> {
    let Search { files, bytes, column_bytes, leaks, canary_found } = secrets.search(data.path())?;
    println!(
        "\nSearched {files} files, {bytes} bytes as they lie on disk and {column_bytes} bytes of Parquet columns, for:"
    );
    let rows = secrets.all().map(|secret| {
        let places: Vec<&str> = leaks.iter().filter(|leak| leak.starts_with(secret.what)).map(String::as_str).collect();
        vec![secret.what.to_owned(), if places.is_empty() { "nowhere".to_owned() } else { places.join(", ") }]
    });
    println!("{}", table::render(&["planted", "found"], rows));
    let none = Expectation {
        what: "no planted secret is on disk".into(),
        held: leaks.is_empty(),
        seen: format!("{} places", leaks.len()),
    };
    let control = Expectation {
        what: "the search works: a word that is no secret is found".into(),
        held: canary_found,
        seen: secrets.canary.clone(),
    };
    Ok(vec![none, control])
}

/// Prints what held, and counts what did not.
#[expect(clippy::print_stdout, reason = "the tables are what the demo is asked for")]
pub fn expectations(expectations: &[Expectation]) -> usize {
    let rows = expectations.iter().map(|expectation| {
        vec![if expectation.held { "✓" } else { "✗" }.to_owned(), expectation.what.clone(), expectation.seen.clone()]
    });
    println!("\nWhat was promised\n{}", table::render(&["", "promise", "seen"], rows));
    expectations.iter().filter(|expectation| !expectation.held).count()
}

#[expect(clippy::print_stdout, reason = "the commands are what the demo is asked for")]
pub fn how_to_go_on(running: &Running, data: &DataDirectory) {
    let data = data.path().display();
    println!(
        "\nIt goes on running; the console is at http://{}/ and asks for a token. Try:",
        running.addresses.console
    );
    println!("  hansard token --subject you --group sre --data {data}");
    println!("  hansard sql \"SELECT subject, count(*) AS calls FROM exchanges GROUP BY subject\" --data {data}");
    println!("  hansard approvals list --all --data {data}");
    println!("(without an installed hansard: cargo run -- in its place)   Ctrl-C ends it.");
}
