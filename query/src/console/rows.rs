//! An answer as a table: ids lead to their replay, outcomes have their colours, all else is text.

use arrow::{
    array::RecordBatch,
    datatypes::SchemaRef,
    error::ArrowError,
    util::display::{ArrayFormatter, FormatOptions},
};
use maud::{Markup, html};

use crate::{Answer, Error};

/// Longest text of a cell, in characters: the rest is in the answer's other forms.
const CELL_CHARS_MAX: usize = 400;

pub(super) fn table(answer: &Answer) -> Result<Markup, Error> {
    let rows = texts(answer).map_err(|error| Error::Internal(error.to_string()))?;
    let names: Vec<&str> = answer.schema.fields().iter().map(|field| field.name().as_str()).collect();
    Ok(html! {
        table {
            thead { tr { @for name in &names { th { (name) } } } }
            tbody { @for row in &rows { tr { @for (name, text) in names.iter().zip(row) { td { (cell(name, text.as_deref())) } } } } }
        }
        @if rows.is_empty() { p.hint { "Nothing." } }
        @if answer.truncated { p.hint { "There is more: the answer was cut off here." } }
    })
}

fn cell(column: &str, text: Option<&str>) -> Markup {
    let Some(text) = text else { return html! {} };
    match column {
        "exchange_id" | "leg_of" => html! { a.mono href={ "/exchange/" (text) } { (text) } },
        "conversation_id" => html! { a.mono href={ "/conversation/" (text) } { (text) } },
        "outcome" | "state" | "verdict" => html! { span class=(colour(text)) { (text) } },
        "body" | "request_body" | "response_body" | "arguments_digest" | "approval_id" => {
            html! { span.mono { (shortened(text)) } }
        }
        _ => html! { (shortened(text)) },
    }
}

/// The colour of a word of `outcome`, `verdict` or `state`: the classes are those of the approvals.
pub(super) fn colour(word: &str) -> &'static str {
    match word {
        "ok" | "allow" | "approved" | "redeemed" => "state-approved",
        "pending" | "hold" => "state-pending",
        "expired" | "withdrawn" | "cancelled" => "state-expired",
        _ => "state-denied",
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(CELL_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn texts(answer: &Answer) -> Result<Vec<Vec<Option<String>>>, ArrowError> {
    let mut rows = Vec::new();
    for batch in &answer.batches {
        let formatters = formatters(&answer.schema, batch)?;
        for row in 0..batch.num_rows() {
            let text = |(column, formatter): (usize, &ArrayFormatter<'_>)| {
                batch.column(column).is_valid(row).then(|| formatter.value(row).to_string())
            };
            rows.push(formatters.iter().enumerate().map(text).collect());
        }
    }
    Ok(rows)
}

fn formatters<'a>(schema: &SchemaRef, batch: &'a RecordBatch) -> Result<Vec<ArrayFormatter<'a>>, ArrowError> {
    const OPTIONS: FormatOptions<'static> = FormatOptions::new().with_display_error(true);
    let columns = batch.columns().iter().take(schema.fields().len());
    columns.map(|column| ArrayFormatter::try_new(column.as_ref(), &OPTIONS)).collect()
}
