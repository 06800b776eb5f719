//! Starting the stages, each with what it takes. Which of them run together is said elsewhere: all of them by `up`, one
//! of them by `single`.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use axum::Router;
use identity::Authenticator;
use metrics_exporter_prometheus::PrometheusHandle;
use recorder::Recorder;
use schemas::Clock;
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

#[cfg(any(feature = "ingress", feature = "masker"))]
use crate::redaction::Source;
use crate::{
    configuration::Configuration,
    keys::Keys,
    operation::{self, Readiness},
    registry,
    running::{Role, Roles, serve},
    wiring,
};

/// The roles that have been started so far, and what they share.
pub struct Start<'a> {
    pub configuration: &'a Configuration,
    pub bus: Arc<dyn bus::Bus>,
    pub clock: Clock,
    roles: Vec<Role>,
    readiness: Vec<(&'static str, Readiness)>,
}

/// Without ingress there are no more spans, which is no fault.
#[cfg(feature = "ingress")]
async fn exporting(exporter: spans::Exporter, stop: CancellationToken) -> Result<()> {
    exporter.run(stop.clone()).await;
    stop.cancelled().await;
    Ok(())
}

/// What those take who answer callers or people.
#[derive(Clone)]
pub struct Desk {
    pub recorder: Arc<Recorder>,
    pub authenticator: Arc<Authenticator>,
}

impl<'a> Start<'a> {
    pub fn new(configuration: &'a Configuration, bus: Arc<dyn bus::Bus>, clock: Clock) -> Start<'a> {
        Start { configuration, bus, clock, roles: Vec::new(), readiness: Vec::new() }
    }

    #[cfg(feature = "ingress")]
    pub fn ingress(&mut self, listener: TcpListener, desk: Desk) -> Result<()> {
        let config = wiring::ingress(self.configuration)?;
        let policy = policy::Policy::compile(&self.configuration.policy)?;
        let redactor = (config.masks() || policy.asks_findings())
            .then(|| crate::redaction::watched(&self.configuration.redaction, Source::Keyless))
            .transpose()?;
        let (spans, exporter) = wiring::spans(self.configuration)?.unzip();
        let deps = ingress::Deps {
            recorder: desk.recorder,
            approvals: self.bus.reader(),
            authenticator: desk.authenticator,
            redactor,
            policy: watch::channel(policy.into()).1,
            clock: self.clock.clone(),
            spans,
            ready: self.waits("ingress"),
        };
        self.run("ingress", true, |stop| async move { Ok(ingress::run(listener, config, deps, stop).await?) });
        if let Some(exporter) = exporter {
            // It ends behind ingress. It records nothing, but those behind it do.
            self.run("spans", true, |stop| exporting(exporter, stop));
        }
        Ok(())
    }

    #[cfg(feature = "approver")]
    pub async fn votes(&mut self, desk: Desk, stop: &CancellationToken) -> Router {
        let deps = approver::Deps {
            recorder: desk.recorder,
            approvals: self.bus.reader(),
            authenticator: desk.authenticator,
            clock: self.clock.clone(),
            ready: self.waits("approver"),
        };
        approver::router(self.configuration.approver.clone(), deps, stop.clone()).await
    }

    #[cfg(feature = "query")]
    pub async fn questions(&mut self, desk: Desk, store: Arc<dyn archiver::ObjectStore>) -> Result<Router> {
        let deps = query::Deps {
            reader: self.bus.reader(),
            store,
            recorder: desk.recorder,
            clock: self.clock.clone(),
            ready: self.waits("query"),
        };
        let trail = query::Trail::open(wiring::questions(self.configuration), deps).await;
        Ok(query::router(trail, desk.authenticator).await)
    }

    /// The pages for people, on one listener.
    pub fn console(&mut self, listener: TcpListener, pages: Router, stop: CancellationToken) {
        self.roles.push(serve("console", listener, pages, stop));
    }

    /// A schema registry that is away holds up the masking and not the start.
    #[cfg(feature = "masker")]
    pub async fn masker(&mut self, keys: &Keys) -> Result<()> {
        let (config, section) = (self.configuration.masker.clone(), self.configuration.bus.clone());
        let settled = match registry::publishing(&section).await {
            Err(error) if !registry::is_away(&error) => return Err(error),
            settled => settled,
        };
        let mut deps = masker::Deps {
            bus: self.bus.clone(),
            opener: keys.opener()?.into(),
            redactor: crate::redaction::watched(&self.configuration.redaction, Source::Keys(keys.clone()))?,
            shadow: crate::redaction::watched_shadow(&self.configuration.redaction, Source::Keys(keys.clone()))?,
            tenants: self.configuration.redaction.tenants.clone().into_iter().collect(),
            identity_key: keys.identity()?,
            publishing: masker::Publishing::default(),
            clock: self.clock.clone(),
            ready: self.waits("masker"),
        };
        self.run("masker", false, |stop| async move {
            let back = async {
                match settled {
                    Ok(publishing) => Ok(publishing),
                    Err(away) => registry::publishing_when_back(&section, away, &deps.ready).await,
                }
            };
            let Some(publishing) = stop.run_until_cancelled(back).await else { return Ok(()) };
            deps.publishing = publishing?;
            Ok(masker::run(config, deps, stop).await?)
        });
        Ok(())
    }

    #[cfg(feature = "archiver")]
    pub fn archiver(&mut self, store: Arc<dyn archiver::ObjectStore>) {
        let config = self.configuration.archiver.clone();
        let deps =
            archiver::Deps { bus: self.bus.clone(), store, clock: self.clock.clone(), ready: self.waits("archiver") };
        self.run("archiver", false, |stop| async move { Ok(archiver::run(config, deps, stop).await?) });
    }

    /// Whether all are ready, and what they count; the last to be started and to end.
    pub fn operated(
        mut self,
        listener: TcpListener,
        metrics: PrometheusHandle,
        recorder: Option<Arc<Recorder>>,
    ) -> Roles {
        let health = operation::router(operation::Roles::new(self.readiness), metrics);
        self.roles.push(serve("operation", listener, health, CancellationToken::new()));
        let drain = Duration::from_secs(self.configuration.operation.drain_seconds_max);
        Roles { roles: self.roles, recorder, drain }
    }

    /// What `name` says of itself; until it speaks, it is starting.
    fn waits(&mut self, name: &'static str) -> watch::Sender<Option<String>> {
        let (ready, says) = watch::channel(Some("starting".to_owned()));
        self.readiness.push((name, says));
        ready
    }

    fn run<F: Future<Output = Result<()>> + Send + 'static>(
        &mut self,
        name: &'static str,
        records: bool,
        stage: impl FnOnce(CancellationToken) -> F,
    ) {
        let stop = CancellationToken::new();
        let task = tokio::spawn(stage(stop.clone()));
        self.roles.push(Role { name, records, stop, task });
    }
}
