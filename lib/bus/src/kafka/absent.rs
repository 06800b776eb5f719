//! What stands here in a build without Kafka: a cluster that cannot be had.

use std::{collections::BTreeMap, convert::Infallible, sync::Arc};

use super::{Config, Found, Grant, Plan};
use crate::{Bus, Error};

/// There is none in this build.
#[derive(Clone, Debug)]
pub struct Cluster(Infallible);

impl Cluster {
    pub async fn connect(config: Config) -> Result<Cluster, Error> {
        let brokers = config.bootstrap();
        Err(Error::new(format!(
            "this build cannot talk to Kafka ({brokers}): build it with `cargo build --features kafka`, or set [bus] kind = \"embedded\""
        )))
    }

    pub fn bus(&self) -> Arc<dyn Bus> {
        match self.0 {}
    }

    pub async fn find(&self, _topics: &[&str]) -> Result<BTreeMap<String, Found>, Error> {
        match self.0 {}
    }

    pub async fn create(&self, _plan: &Plan) -> Result<(), Error> {
        match self.0 {}
    }

    pub async fn grant(&self, _grants: &[Grant]) -> Result<(), Error> {
        match self.0 {}
    }
}
