//! Topics and rights: what is there, and making what is not.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{
    super::{Cluster, Found, Grant, Operation, Plan},
    catalogue::ANSWER_PATIENCE,
    explain::explained,
    native,
};
use crate::Error;

/// How long a new topic may take to be known to all brokers.
const CREATION_PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at it.
const CREATION_PAUSE: Duration = Duration::from_millis(50);

impl Cluster {
    /// The topics of these that this user may see. Settings are left out where it may not see them.
    pub async fn find(&self, topics: &[&str]) -> Result<BTreeMap<String, Found>, Error> {
        let metadata = self.producers.ask(|client| client.fetch_metadata(None, ANSWER_PATIENCE)).await?;
        let metadata = metadata.map_err(|error| explained("cannot ask which topics there are", error))?;
        let mut found = BTreeMap::new();
        for topic in metadata.topics().iter().filter(|topic| topics.contains(&topic.name())) {
            let replication = topic.partitions().iter().map(|partition| partition.replicas().len()).min().unwrap_or(0);
            let partitions = u32::try_from(topic.partitions().len()).unwrap_or(0);
            let (replication, name) = (u32::try_from(replication).unwrap_or(0), topic.name().to_owned());
            let operations = self.operations(&name).await?;
            let settings = self.topic_settings(&name).await;
            found.insert(name, Found { partitions, replication, operations, settings });
        }
        Ok(found)
    }

    /// Makes a topic, and waits until its leaders know it; one that is there already stays as it is.
    pub async fn create(&self, plan: &Plan) -> Result<(), Error> {
        let planned = plan.clone();
        let made = self.producers.ask(move |client| native::create(client.native_ptr(), &planned, CREATION_PATIENCE));
        made.await?.map_err(|why| Error::new(format!("cannot create {}: {why}", plan.name)))?;
        self.await_leaders(plan).await
    }

    async fn await_leaders(&self, plan: &Plan) -> Result<(), Error> {
        let until = Instant::now() + CREATION_PATIENCE;
        while !self.has_leaders(plan).await? {
            if Instant::now() > until {
                return Err(Error::new(format!(
                    "{} was made and has no leaders in time: look at the brokers",
                    plan.name
                )));
            }
            tokio::time::sleep(CREATION_PAUSE).await;
        }
        Ok(())
    }

    async fn has_leaders(&self, plan: &Plan) -> Result<bool, Error> {
        let metadata = self.producers.ask(|client| client.fetch_metadata(None, ANSWER_PATIENCE)).await?;
        let metadata = metadata.map_err(|error| explained("cannot ask which topics there are", error))?;
        let topic = metadata.topics().iter().find(|topic| topic.name() == plan.name);
        let led = topic.into_iter().flat_map(|topic| topic.partitions()).filter(|partition| partition.leader() >= 0);
        Ok(led.count() >= plan.partitions as usize)
    }

    /// Gives the rights; those that are given already stay as they are.
    pub async fn grant(&self, grants: &[Grant]) -> Result<(), Error> {
        let grants = grants.to_vec();
        let given =
            self.producers.ask(move |client| native::grant(client.native_ptr(), &grants, ANSWER_PATIENCE)).await?;
        given.map_err(|why| {
            Error::new(format!("cannot give rights: {why}: this needs a user that may alter the cluster"))
        })
    }

    async fn operations(&self, topic: &str) -> Result<Vec<Operation>, Error> {
        let name = topic.to_owned();
        let asked = self.producers.ask(move |client| native::operations(client.native_ptr(), &name, ANSWER_PATIENCE));
        asked.await?.map_err(|why| Error::new(format!("cannot ask what may be done with {topic}: {why}")))
    }

    async fn topic_settings(&self, topic: &str) -> Vec<(String, String)> {
        let name = topic.to_owned();
        let asked = self.producers.ask(move |client| native::settings(client.native_ptr(), &name, ANSWER_PATIENCE));
        asked.await.ok().and_then(Result::ok).unwrap_or_default()
    }
}
