//! An answer as a table: ids lead to their replay, outcomes have their colours, all else is text.

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, SchemaRef},
    error::ArrowError,
    util::display::{ArrayFormatter, FormatOptions},
};
use maud::{Markup, html};
use pages::{moment, visible, word};

use crate::{Answer, Error};

/// Longest text of a cell, in characters: the rest is in the answer's other forms.
const CELL_CHARS_MAX: usize = 400;
/// Longer texts are wrapped.
const LINE_CHARS_MAX: usize = 48;

type Row = Vec<Option<String>>;

pub(super) fn table(answer: &Answer) -> Result<Markup, Error> {
    let rows = texts(answer)?;
    let fields = answer.schema.fields();
    Ok(html! {
        div.wide tabindex="0" role="region" aria-label="Answer" {
            table {
                thead { tr { @for field in fields {
                    th.number[field.data_type().is_numeric()] scope="col" { (visible(field.name())) }
                } } }
                tbody { @for row in &rows {
                    tr { @for (field, text) in fields.iter().zip(row) { (cell(field.name(), field.data_type(), text.as_deref())) } }
                } }
            }
        }
        @if rows.is_empty() { p.quiet { "No rows." } }
        @if answer.truncated { p.quiet { "There is more: the answer was cut off here." } }
    })
}

fn cell(column: &str, data_type: &DataType, text: Option<&str>) -> Markup {
    let text = text.unwrap_or_default();
    if data_type.is_numeric() {
        return html! { td.number { (text) } };
    }
    let long = text.chars().nth(LINE_CHARS_MAX).is_some();
    html! { td.long[long] { (content(column, data_type, text)) } }
}

fn content(column: &str, data_type: &DataType, text: &str) -> Markup {
    match (column, data_type) {
        (_, _) if text.is_empty() => html! {},
        (_, DataType::Timestamp(..)) => moment(text),
        ("exchange_id" | "leg_of", _) => html! { a.mono href={ "/exchange/" (visible(text)) } { (visible(text)) } },
        ("conversation_id", _) => html! { a.mono href={ "/conversation/" (visible(text)) } { (visible(text)) } },
        ("outcome" | "state" | "verdict" | "redaction_status", _) => word(text),
        ("body" | "request_body" | "response_body", _) => html! { span.mono { (shortened(text)) } },
        _ => html! { (shortened(text)) },
    }
}

/// The way to a conversation, by the end of its id: the beginning of many is the time.
pub(super) fn conversation(id: &str) -> Markup {
    let end = id.rsplit('-').next().unwrap_or_default();
    html! { a.mono href={ "/conversation/" (visible(id)) } title=(visible(id)) { "…" (visible(end)) } }
}

fn shortened(text: &str) -> String {
    let text = visible(text);
    match text.char_indices().nth(CELL_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The text of each cell; none where the value is null.
pub(super) fn texts(answer: &Answer) -> Result<Vec<Row>, Error> {
    read(answer).map_err(|error| Error::Internal(error.to_string()))
}

fn read(answer: &Answer) -> Result<Vec<Row>, ArrowError> {
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
