//! How the columns lie in the file: what is compressed how, what has statistics, what a point lookup can skip by.
//!
//! Statistics, dictionaries and bloom filters repeat values of a column, so payload, salts and hashes have none of them.

use std::sync::Arc;

use arrow::datatypes::Schema;
use parquet::{
    arrow::ArrowSchemaConverter,
    basic::{Compression, ZstdLevel},
    errors::ParquetError,
    file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder},
    schema::types::ColumnPath,
};

const ZSTD_LEVEL: i32 = 3;
/// Rows of a page: what a lookup by the page index reads at least.
const PAGE_ROWS_MAX: usize = 2048;
/// Share of row groups that a bloom filter names in vain.
const BLOOM_FALSE_POSITIVES: f64 = 0.01;

/// Nearly every row has a value of its own, so a dictionary would be all cost.
const DISTINCT: [&str; 10] = [
    "record_id",
    "exchange_id",
    "leg_of",
    "arguments_digest",
    "body",
    "trace_id",
    "span_id",
    "salts",
    "commitments",
    "leaf_hash",
];
/// Nobody asks for a range of these.
const UNMEASURED: [&str; 6] = ["body", "error", "arguments_digest", "salts", "commitments", "leaf_hash"];
/// What people look for by its exact value.
const LOOKED_UP: [&str; 4] = ["exchange_id", "principal_id", "conversation_id", "trace_id"];

pub(super) fn properties(schema: &Arc<Schema>, row_group_rows: usize) -> Result<WriterProperties, ParquetError> {
    let mut builder = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_max_row_group_row_count(Some(row_group_rows))
        .set_data_page_row_count_limit(PAGE_ROWS_MAX)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_created_by(concat!("hansard ", env!("CARGO_PKG_VERSION")).to_owned());
    for column in ArrowSchemaConverter::new().convert(schema)?.columns() {
        builder = lay_out(builder, column.path(), row_group_rows);
    }
    Ok(builder.build())
}

/// A nested column's leaves are all laid out as the column they belong to.
fn lay_out(mut builder: WriterPropertiesBuilder, path: &ColumnPath, row_group_rows: usize) -> WriterPropertiesBuilder {
    let name = path.parts()[0].as_str();
    if DISTINCT.contains(&name) {
        builder = builder.set_column_dictionary_enabled(path.clone(), false);
    }
    if UNMEASURED.contains(&name) {
        builder = builder.set_column_statistics_enabled(path.clone(), EnabledStatistics::None);
    }
    if LOOKED_UP.contains(&name) {
        // Each of these turns the filter on; set for the file, they would turn it on for every column.
        builder = builder
            .set_column_bloom_filter_fpp(path.clone(), BLOOM_FALSE_POSITIVES)
            .set_column_bloom_filter_max_ndv(path.clone(), row_group_rows as u64);
    }
    builder
}

#[cfg(test)]
mod tests {
    use parquet::basic::Compression;

    use super::*;

    #[test]
    fn what_may_be_erased_or_is_a_hash_leaves_no_copy_beside_its_column() {
        let properties = properties(&schemas::arrow::schema(), 100).expect("properties");
        let columns = ArrowSchemaConverter::new().convert(&schemas::arrow::schema()).expect("columns");
        let mut found = 0;
        for column in columns.columns() {
            let (path, name) = (column.path(), column.path().parts()[0].as_str());
            assert!(matches!(properties.compression(path), Compression::ZSTD(_)), "{path}");
            assert_eq!(properties.dictionary_enabled(path), !DISTINCT.contains(&name), "{path}");
            let measured = properties.statistics_enabled(path) == EnabledStatistics::Page;
            assert_eq!(measured, !UNMEASURED.contains(&name), "{path}");
            assert_eq!(properties.bloom_filter_properties(path).is_some(), LOOKED_UP.contains(&name), "{path}");
            found += usize::from(LOOKED_UP.contains(&name));
        }
        assert_eq!(found, LOOKED_UP.len(), "every name is a column's");
    }

    #[test]
    fn every_name_here_is_a_columns_name() {
        let schema = schemas::arrow::schema();
        for name in DISTINCT.iter().chain(&UNMEASURED).chain(&LOOKED_UP) {
            assert!(schema.field_with_name(name).is_ok(), "{name}");
        }
    }
}
