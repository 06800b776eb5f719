//! Which files can hold rows that a statement asks for, by what the commit log says of them: no file is opened for it.

use arrow::{
    array::{ArrayRef, BooleanArray, Int64Array, UInt64Array},
    compute::cast,
    datatypes::SchemaRef,
};
use datafusion::{
    catalog::Session,
    common::{Column, DFSchema, ScalarValue, pruning::PruningStatistics},
    error::Result,
    logical_expr::{Expr, utils::conjunction},
    physical_optimizer::pruning::PruningPredicateBuilder,
};
use schemas::commit::{CommitEntry, Span};
use std::{collections::HashSet, sync::Arc};

/// The files that may hold rows for which all of `filters` are true.
pub(crate) fn prune<'a>(
    files: &'a [CommitEntry],
    filters: &[Expr],
    schema: &SchemaRef,
    session: &dyn Session,
) -> Result<Vec<&'a CommitEntry>> {
    let files: Vec<&CommitEntry> = files.iter().filter(|file| file.batch.rows > 0).collect();
    let Some(filter) = conjunction(filters.iter().cloned()) else { return Ok(files) };
    let filter = session.create_physical_expr(filter, &DFSchema::try_from(Arc::clone(schema))?)?;
    let predicate = PruningPredicateBuilder::new().with_file_schema(Arc::clone(schema)).try_build(filter)?;
    let possible = predicate.prune(&Known { files: &files, schema })?;
    Ok(files.into_iter().zip(possible).filter_map(|(file, possible)| possible.then_some(file)).collect())
}

/// What the log knows of the columns of each file.
struct Known<'a> {
    files: &'a [&'a CommitEntry],
    schema: &'a SchemaRef,
}

impl Known<'_> {
    fn column(&self, column: &Column, end: fn(Span) -> i64) -> Option<ArrayRef> {
        let span = match column.name.as_str() {
            "occurred_at" => |file: &CommitEntry| file.batch.occurred_at,
            "recorded_at" => |file: &CommitEntry| file.batch.recorded_at,
            _ => return None,
        };
        let known: Int64Array = self.files.iter().map(|file| span(file).map(end)).collect();
        let typed = self.schema.field_with_name(&column.name).ok()?.data_type();
        cast(&known, typed).ok()
    }
}

impl PruningStatistics for Known<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.column(column, |span| span.min_us)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.column(column, |span| span.max_us)
    }

    fn num_containers(&self) -> usize {
        self.files.len()
    }

    fn null_counts(&self, _column: &Column) -> Option<ArrayRef> {
        None
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::new(self.files.iter().map(|file| Some(file.batch.rows)).collect::<UInt64Array>()))
    }

    fn contained(&self, _column: &Column, _values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}
