//! From librdkafka's errors to ours: whose fault it is, and what to do.
//!
//! It never passes on the value of a setting, which may be a password.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::Error;

/// `tried`: what was tried, as in "cannot …".
pub(super) fn explained(tried: impl AsRef<str>, error: KafkaError) -> Error {
    let tried = tried.as_ref();
    match &error {
        KafkaError::ClientConfig(_, why, key, _) => {
            Error::new(format!("{tried}: the Kafka client refuses {key}: {why}"))
        }
        KafkaError::ClientCreation(why) => Error::new(format!("{tried}: {why}: check [bus] tls and sasl")),
        _ => match error.rdkafka_error_code().and_then(remedy) {
            Some(remedy) => Error::because(format!("{tried}: {remedy}"), error),
            None => Error::because(tried, error),
        },
    }
}

/// What the person who runs this can do about it.
fn remedy(code: Code) -> Option<&'static str> {
    Some(match code {
        Code::TopicAuthorizationFailed => "this user may not: `hansard topics acls` shows which rights each role needs",
        Code::GroupAuthorizationFailed => {
            "this user may not use the consumer group: `hansard topics acls` shows which rights each role needs"
        }
        Code::TransactionalIdAuthorizationFailed => {
            "this user may not use transactions: `hansard topics acls` shows which rights each role needs"
        }
        Code::ClusterAuthorizationFailed => {
            "this user may not write: `hansard topics acls` shows which rights each role needs"
        }
        Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition => {
            "the cluster does not know the topic: make it with `hansard topics create`"
        }
        Code::MessageSizeTooLarge | Code::InvalidMessageSize => {
            "the topic takes no message of this size: `hansard topics check` shows what max.message.bytes must be"
        }
        Code::NotEnoughReplicas | Code::NotEnoughReplicasAfterAppend => {
            "fewer brokers are in sync than min.insync.replicas asks for: bring brokers back"
        }
        Code::MessageTimedOut
        | Code::RequestTimedOut
        | Code::OperationTimedOut
        | Code::PurgeQueue
        | Code::PurgeInflight => {
            "the brokers did not acknowledge in time: check that enough of them run and can be reached"
        }
        Code::AllBrokersDown | Code::BrokerTransportFailure | Code::Resolve => {
            "no broker can be reached: check [bus] brokers, and that they run"
        }
        Code::Authentication | Code::SaslAuthenticationFailed => "the brokers refuse who we are: check [bus] sasl",
        Code::SSL => "TLS fails: check [bus] tls, whose ca must have signed the brokers' certificates",
        Code::QueueFull => "too many messages wait for the brokers: send less, or add brokers",
        _ => return None,
    })
}

/// Why no broker answered, by the last thing that a client complained about.
pub(super) fn unreachable(brokers: &str, trouble: Option<(Code, String)>) -> Error {
    let Some((code, reason)) = trouble else {
        return Error::new(format!("no broker of {brokers} has answered: check [bus] brokers, and that they run"));
    };
    let what = match code {
        // A broker that expects TLS, or a certificate, just hangs up on who does not offer it.
        Code::BrokerTransportFailure if reason.contains("isconnected") => {
            "a broker hangs up: check that [bus] tls and sasl are what its listener expects"
        }
        Code::AllBrokersDown => {
            "none can be reached, or all hang up: check [bus] brokers, that they run, and that [bus] tls and sasl are what their listeners expect"
        }
        _ => remedy(code).unwrap_or("check [bus] brokers, tls and sasl"),
    };
    Error::new(format!("cannot talk to the brokers {brokers}: {what} ({reason})"))
}

/// Whether trying on is no use.
pub(super) fn is_refusal(code: Code) -> bool {
    matches!(code, Code::Authentication | Code::SaslAuthenticationFailed | Code::SSL)
}
