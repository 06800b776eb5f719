//! The table `records`: the files of a snapshot and its tail, as DataFusion scans them.
//!
//! The table itself holds nothing: each statement's session carries the snapshot that it sees, so all scans of one
//! statement see the same moment, and the views are planned once for all.

mod rest;

use std::sync::Arc;

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider},
    common::{internal_datafusion_err, project_schema},
    datasource::{
        listing::PartitionedFile,
        memory::MemorySourceConfig,
        physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource, parquet::CachedParquetFileReaderFactory},
        source::DataSourceExec,
    },
    error::Result,
    execution::object_store::ObjectStoreUrl,
    logical_expr::{Expr, TableProviderFilterPushDown, TableType},
    physical_plan::{ExecutionPlan, empty::EmptyExec, streaming::StreamingTableExec, union::UnionExec},
};
use object_store::ObjectStore;
use schemas::commit::CommitEntry;

use self::rest::Rest;
use crate::{pruning::prune, snapshot::Snapshot};

/// The one store that statements can reach, by the name that only plans use.
pub(crate) const ARCHIVE_URL: &str = "hansard://archive";
/// Read with the end of each file: footers of this size take one request.
const FOOTER_BYTES_GUESS: usize = 256 * 1024;

#[derive(Debug)]
pub(crate) struct Records {
    schema: SchemaRef,
    store: Arc<dyn ObjectStore>,
}

impl Records {
    pub(crate) fn new(store: Arc<dyn ObjectStore>) -> Records {
        Records { schema: schemas::arrow::schema(), store }
    }

    fn files(&self, files: &[&CommitEntry], scan: &Scan<'_>) -> Result<Arc<dyn ExecutionPlan>> {
        let cache = scan.session.runtime_env().cache_manager.get_file_metadata_cache();
        let reader = CachedParquetFileReaderFactory::new(Arc::clone(&self.store), cache);
        let source = ParquetSource::new(Arc::clone(&self.schema))
            .with_parquet_file_reader_factory(Arc::new(reader))
            .with_metadata_size_hint(FOOTER_BYTES_GUESS)
            .with_pushdown_filters(true)
            .with_reorder_filters(true)
            .with_enable_page_index(true)
            .with_bloom_filter_on_read(true);
        let files = files.iter().map(|file| PartitionedFile::new(&file.object, file.bytes)).collect();
        let groups = FileGroup::new(files).split_files(scan.session.config().target_partitions());
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::parse(ARCHIVE_URL)?, Arc::new(source))
            .with_file_groups(groups)
            .with_projection_indices(scan.projection.cloned())?;
        Ok(DataSourceExec::from_data_source(config.build()))
    }

    fn kept(&self, snapshot: &Snapshot, scan: &Scan<'_>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let tails = snapshot.tails.partitions.iter().map(|tail| tail.batches.clone());
        let batches: Vec<Vec<RecordBatch>> = tails.filter(|batches| !batches.is_empty()).collect();
        if batches.is_empty() {
            return Ok(None);
        }
        let exec = MemorySourceConfig::try_new_exec(&batches, Arc::clone(&self.schema), scan.projection.cloned())?;
        Ok(Some(exec))
    }

    fn rest(&self, snapshot: &Snapshot, scan: &Scan<'_>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let rests = Rest::of(snapshot, &self.schema);
        if rests.is_empty() {
            return Ok(None);
        }
        let exec = StreamingTableExec::try_new(Arc::clone(&self.schema), rests, scan.projection, [], false, None)?;
        Ok(Some(Arc::new(exec)))
    }
}

struct Scan<'a> {
    session: &'a dyn Session,
    projection: Option<&'a Vec<usize>>,
}

#[async_trait]
impl TableProvider for Records {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Inexact: the planner keeps the filters, and pushes them into Parquet itself.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let snapshot = session.config().get_extension::<Snapshot>();
        let snapshot = snapshot.ok_or_else(|| internal_datafusion_err!("a statement without a snapshot"))?;
        let scan = Scan { session, projection };
        let mut parts = Vec::new();
        let files = prune(&snapshot.files, filters, &self.schema, session)?;
        if !files.is_empty() {
            parts.push(self.files(&files, &scan)?);
        }
        parts.extend(self.kept(&snapshot, &scan)?);
        parts.extend(self.rest(&snapshot, &scan)?);
        if parts.is_empty() {
            return Ok(Arc::new(EmptyExec::new(project_schema(&self.schema, projection)?)));
        }
        UnionExec::try_new(parts)
    }
}
