//! Topics and rights: what is there, and making what is not.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication},
    config::FromClientConfigAndContext,
    error::RDKafkaErrorCode as Code,
};

use super::{
    super::{Cluster, Found, Grant, Plan, Sasl},
    catalogue::ANSWER_PATIENCE,
    client::{self, Context, Trouble},
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
        let tried = || format!("cannot create {}", plan.name);
        let replication = TopicReplication::Fixed(i32::try_from(plan.replication).unwrap_or(i32::MAX));
        let partitions = i32::try_from(plan.partitions).unwrap_or(i32::MAX);
        let topic = NewTopic::new(&plan.name, partitions, replication);
        let topic = plan.settings.iter().fold(topic, |topic, (key, value)| topic.set(key, value));
        let options = AdminOptions::new().operation_timeout(Some(CREATION_PATIENCE));
        let results =
            self.admin()?.create_topics([&topic], &options).await.map_err(|error| explained(tried(), error))?;
        match results.into_iter().next() {
            Some(Err((name, code))) if code != Code::TopicAlreadyExists => {
                Err(Error::new(format!("cannot create {name}: {code}")))
            }
            _ => self.await_leaders(plan).await,
        }
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

    async fn operations(&self, topic: &str) -> Result<Vec<super::super::Operation>, Error> {
        let name = topic.to_owned();
        let asked = self.producers.ask(move |client| native::operations(client.native_ptr(), &name, ANSWER_PATIENCE));
        asked.await?.map_err(|why| Error::new(format!("cannot ask what may be done with {topic}: {why}")))
    }

    async fn topic_settings(&self, topic: &str) -> Vec<(String, String)> {
        let Ok(admin) = self.admin() else { return Vec::new() };
        let described = admin.describe_configs([&ResourceSpecifier::Topic(topic)], &AdminOptions::new()).await;
        let Some(Ok(resource)) = described.ok().and_then(|all| all.into_iter().next()) else { return Vec::new() };
        resource.entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?))).collect()
    }

    fn admin(&self) -> Result<AdminClient<Context>, Error> {
        let config = self.producers.config();
        if matches!(config.sasl, Some(Sasl::Token(_))) {
            return Err(Error::new(
                "topics cannot be made as an OAUTHBEARER user: use a SCRAM, PLAIN or certificate user for `hansard topics`",
            ));
        }
        let context = Context::new(config, "admin", Trouble::default());
        AdminClient::from_config_and_context(&client::settings(config, "admin"), context)
            .map_err(|error| explained("cannot make a Kafka client", error))
    }
}
