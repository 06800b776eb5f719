//! The part of a tail that is too large to be kept: read from the log while the statement runs, a piece at a time.

use std::{ops::Range, sync::Arc};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use bus::Partition;
use datafusion::{
    error::{DataFusionError, Result},
    execution::{SendableRecordBatchStream, TaskContext},
    physical_plan::{stream::RecordBatchStreamAdapter, streaming::PartitionStream},
};
use futures::stream;

use crate::{
    Error,
    snapshot::Snapshot,
    tail::{Read, Source},
};

#[derive(Clone, Debug)]
pub(crate) struct Rest {
    schema: SchemaRef,
    source: Source,
    at: Partition,
    offsets: Range<u64>,
}

impl Rest {
    pub(crate) fn of(snapshot: &Snapshot, schema: &SchemaRef) -> Vec<Arc<dyn PartitionStream>> {
        let unread = snapshot.tails.partitions.iter().filter(|tail| !tail.rest.is_empty());
        let rests = unread.map(|tail| Rest {
            schema: Arc::clone(schema),
            source: snapshot.source.clone(),
            at: tail.at.clone(),
            offsets: tail.rest.clone(),
        });
        rests.map(|rest| Arc::new(rest) as Arc<dyn PartitionStream>).collect()
    }

    /// The next rows, and what then remains.
    async fn next(mut self) -> Result<Option<(RecordBatch, Rest)>> {
        if self.offsets.is_empty() {
            return Ok(None);
        }
        match self.source.read(&self.at, self.offsets.start).await.map_err(external)? {
            Read::Piece(piece) => {
                self.offsets.start = piece.next;
                Ok(Some((piece.ending(self.offsets.end).batch, self)))
            }
            Read::Nothing => Ok(None),
            Read::Gone { .. } => Err(external(Error::Moved)),
        }
    }
}

impl PartitionStream for Rest {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let batches = stream::try_unfold(self.clone(), Rest::next);
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches))
    }
}

fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
