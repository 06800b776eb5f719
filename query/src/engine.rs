//! Runs one statement on one snapshot, within its limits, on threads that have the stack for it.
//!
//! It refuses every plan that is not a question: no DDL, no DML, no COPY, no SET. There is one store, the archive, and
//! it can only be reached through the table `records`: a plan that names any other place finds nothing there.

mod store;

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use arrow::array::RecordBatch;
use datafusion::{
    config::ConfigNonZeroUsize,
    dataframe::DataFrame,
    error::DataFusionError,
    execution::{
        SessionState, SessionStateBuilder,
        context::SQLOptions,
        disk_manager::{DiskManagerBuilder, DiskManagerMode},
        memory_pool::{GreedyMemoryPool, TrackConsumersPool},
        runtime_env::{RuntimeEnv, RuntimeEnvBuilder},
    },
    logical_expr::LogicalPlan,
    prelude::{SessionConfig, SessionContext},
    scalar::ScalarValue,
};
use futures::StreamExt;
use object_store::ObjectStore;
use tokio::{
    runtime::Runtime,
    sync::{OnceCell, Semaphore},
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;

use self::store::OnlyArchive;
use crate::{
    Answer, Config, Error, guard,
    origin::Origins,
    snapshot::{Snapshot, Snapshots},
    table::Records,
    tail::Look,
    views,
};

/// Planning recurses into the statement.
const STACK_BYTES: usize = 32 * 1024 * 1024;
/// Rows that operators hand on at once: few, because a row may hold a large body.
const BATCH_ROWS: usize = 2048;
/// Threads that run statements, and partitions that a statement is split into, at most.
const THREADS_MAX: usize = 4;
/// Decoded footers that are kept between statements.
const FOOTERS_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Consumers of memory that an error names.
const CONSUMERS_NAMED: NonZeroUsize = NonZeroUsize::new(3).expect("3 is not 0");

/// Functions that make much out of little without asking the memory limit.
const INFLATING: [&str; 9] = [
    "repeat",
    "lpad",
    "rpad",
    "array_repeat",
    "list_repeat",
    "array_resize",
    "list_resize",
    "range",
    "generate_series",
];

#[derive(Debug)]
pub(crate) struct Engine {
    config: Config,
    store: Arc<dyn ObjectStore>,
    snapshots: Arc<Snapshots>,
    origins: Arc<Origins>,
    permits: Arc<Semaphore>,
    workshop: OnceCell<Workshop>,
}

/// Functions, views and threads. They are made for the first statement: a gateway that nobody asks has no use for them.
#[derive(Debug)]
struct Workshop {
    /// The session that all others are made from.
    state: SessionState,
    threads: Threads,
}

/// One statement, and the values of its placeholders.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) sql: String,
    pub(crate) values: Vec<ScalarValue>,
}

impl Engine {
    pub(crate) fn new(
        config: Config,
        store: Arc<dyn ObjectStore>,
        snapshots: Arc<Snapshots>,
        origins: Arc<Origins>,
    ) -> Engine {
        let permits = Arc::new(Semaphore::new(config.concurrent_max));
        Engine { config, store, snapshots, origins, permits, workshop: OnceCell::new() }
    }

    pub(crate) async fn answer(self: &Arc<Self>, statement: Statement) -> Result<Answer, Error> {
        guard::check(&statement.sql, &self.config)?;
        let limit = Duration::from_secs(self.config.statement_seconds_max);
        let permit = timeout(limit, Arc::clone(&self.permits).acquire_owned()).await;
        let permit = permit.map_err(|_| Error::Busy)?.expect("the semaphore is never closed");
        let threads = &self.workshop().await?.threads;
        let engine = Arc::clone(self);
        // The permit goes with the work: what is still at work after its time counts as long as it is.
        let work = threads.spawn(async move {
            let _permit = permit;
            engine.run(statement).await
        });
        let done = timeout(limit, work).await.map_err(|_| Error::TooSlow(limit))?;
        done.unwrap_or_else(|failed| Err(Error::Internal(failed.to_string())))
    }

    async fn workshop(&self) -> Result<&Workshop, Error> {
        let open = async {
            let state = session(&self.config, Arc::clone(&self.store)).await;
            let state = state.map_err(|error| Error::Internal(error.to_string()))?;
            Ok(Workshop { state, threads: Threads::start()? })
        };
        self.workshop.get_or_try_init(|| open).await
    }

    async fn run(&self, statement: Statement) -> Result<Answer, Error> {
        let snapshot = self.snapshots.take(Look::Read).await?;
        let context = self.context(snapshot, &self.workshop().await?.state)?;
        let frame = self.plan(&context, statement).await?;
        let answer = self.collect(frame).await.map_err(|error| self.told(error))?;
        self.origins.check().await?;
        Ok(answer)
    }

    /// A session of its own for each statement: its snapshot, its memory.
    fn context(&self, snapshot: Snapshot, state: &SessionState) -> Result<SessionContext, Error> {
        let pool = TrackConsumersPool::new(GreedyMemoryPool::new(self.config.memory_bytes_max), CONSUMERS_NAMED);
        let runtime = RuntimeEnvBuilder::from_runtime_env(state.runtime_env()).with_memory_pool(Arc::new(pool));
        let config = state.config().clone().with_create_default_catalog_and_schema(false);
        let state = SessionStateBuilder::new_from_existing(state.clone())
            .with_config(config.with_extension(Arc::new(snapshot)))
            .with_runtime_env(runtime.build_arc().map_err(|error| self.told(error))?)
            .build();
        Ok(SessionContext::new_with_state(state))
    }

    async fn plan(&self, context: &SessionContext, statement: Statement) -> Result<DataFrame, Error> {
        let plan = context.state().create_logical_plan(&statement.sql).await.map_err(|error| self.told(error))?;
        refuse_writing(&plan)?;
        let bounded = can_be_limited(&plan);
        let frame = context.execute_logical_plan(plan).await.map_err(|error| self.told(error))?;
        let frame = if statement.values.is_empty() { Ok(frame) } else { frame.with_param_values(statement.values) };
        // One row more than is given, to know whether there are more.
        let rows_max = self.config.rows_max + 1;
        frame
            .and_then(|frame| if bounded { frame.limit(0, Some(rows_max)) } else { Ok(frame) })
            .map_err(|error| self.told(error))
    }

    async fn collect(&self, frame: DataFrame) -> Result<Answer, DataFusionError> {
        let mut stream = frame.execute_stream().await?;
        let mut answer = Answer { schema: stream.schema(), batches: Vec::new(), truncated: false };
        let (mut rows, mut bytes) = (self.config.rows_max, self.config.answer_bytes_max);
        while let Some(batch) = stream.next().await {
            let batch: RecordBatch = batch?;
            answer.truncated = batch.num_rows() > rows || batch.get_array_memory_size() > bytes;
            if batch.get_array_memory_size() <= bytes {
                answer.batches.push(batch.slice(0, batch.num_rows().min(rows)));
            }
            if answer.truncated {
                break;
            }
            (rows, bytes) = (rows - batch.num_rows(), bytes - batch.get_array_memory_size());
        }
        Ok(answer)
    }

    fn told(&self, error: DataFusionError) -> Error {
        Error::from_engine(error, self.config.memory_bytes_max)
    }
}

async fn session(config: &Config, store: Arc<dyn ObjectStore>) -> Result<SessionState, DataFusionError> {
    let state = SessionStateBuilder::new_with_default_features()
        .with_config(session_config(config)?)
        .with_runtime_env(Arc::new(runtime_env(Arc::clone(&store))?))
        .build();
    let context = SessionContext::new_with_state(state);
    for name in INFLATING {
        context.deregister_udf(name);
    }
    context.register_table("records", Arc::new(Records::new(store)))?;
    views::register(&context).await?;
    Ok(context.state())
}

fn session_config(config: &Config) -> Result<SessionConfig, DataFusionError> {
    let mut session = SessionConfig::new()
        .with_default_catalog_and_schema("hansard", "trail")
        .with_information_schema(true)
        .with_target_partitions(threads())
        .with_batch_size(BATCH_ROWS);
    let options = session.options_mut();
    options.execution.parquet.pushdown_filters = true;
    options.execution.parquet.reorder_filters = true;
    options.execution.time_zone = Some("UTC".to_owned());
    options.sql_parser.recursion_limit = ConfigNonZeroUsize::try_new(config.depth_max.max(1))?;
    Ok(session)
}

fn runtime_env(store: Arc<dyn ObjectStore>) -> Result<RuntimeEnv, DataFusionError> {
    RuntimeEnvBuilder::new()
        .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled))
        .with_object_store_registry(Arc::new(OnlyArchive(store)))
        .with_metadata_cache_limit(FOOTERS_BYTES_MAX)
        .build()
}

fn refuse_writing(plan: &LogicalPlan) -> Result<(), Error> {
    let only_questions = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    only_questions
        .verify_plan(plan)
        .map_err(|error| Error::Statement(format!("the trail is only read: {}", error.strip_backtrace())))
}

/// Explanations must stand at the root of their plan.
fn can_be_limited(plan: &LogicalPlan) -> bool {
    !matches!(plan, LogicalPlan::Explain(_) | LogicalPlan::Analyze(_) | LogicalPlan::DescribeTable(_))
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get).min(THREADS_MAX)
}

/// The runtime of the statements.
#[derive(Debug)]
struct Threads(Option<Runtime>);

impl Threads {
    fn start() -> Result<Threads, Error> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads())
            .thread_stack_size(STACK_BYTES)
            .thread_name("hansard-query")
            .enable_all()
            .build()
            .map_err(|error| Error::Internal(format!("cannot start threads: {error}")))?;
        Ok(Threads(Some(runtime)))
    }

    fn spawn<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> AbortOnDropHandle<T> {
        let runtime = self.0.as_ref().expect("taken only by drop");
        AbortOnDropHandle::new(runtime.spawn(work))
    }
}

impl Drop for Threads {
    /// Waits for nothing: a runtime must not be waited for within another.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
