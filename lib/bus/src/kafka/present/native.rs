//! What librdkafka can do and its Rust binding does not offer: the generation of a group's membership, which topic it is
//! and what a user is allowed to do with it, giving rights; what it offers only by a client that never gets a token:
//! making topics and asking for their settings; and what it offers only with a question to another thread: how far a
//! consumer has come.
//!
//! The only unsafe code of this room. Each function owns what it makes, frees it on every path by [`Owned`], and
//! keeps nothing of librdkafka's beyond its own return.
#![allow(unsafe_code, reason = "librdkafka is a C library")]

use std::{
    ffi::{CStr, CString, c_char, c_int},
    ptr::{self, NonNull},
    time::Duration,
};

use rdkafka::{
    TopicPartitionList,
    bindings::{self as c, rd_kafka_resp_err_t as Code},
};

use super::super::{Grant, Operation, Plan, Resource};

/// What stands for no id: sixteen zeros.
const NO_ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";
/// Room for what librdkafka says of an error, in bytes.
const MESSAGE_BYTES_MAX: usize = 512;

/// A pointer that is freed with us.
struct Owned<T>(NonNull<T>, unsafe extern "C" fn(*mut T));

impl<T> Owned<T> {
    fn new(made: *mut T, free: unsafe extern "C" fn(*mut T)) -> Option<Owned<T>> {
        NonNull::new(made).map(|made| Owned(made, free))
    }

    fn raw(&self) -> *mut T {
        self.0.as_ptr()
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: made by librdkafka for us alone, and freed nowhere else.
        unsafe { (self.1)(self.0.as_ptr()) }
    }
}

/// The generation of the group that the consumer is a member of; `None` while it is no member.
pub(super) fn generation(consumer: *mut c::rd_kafka_t) -> Option<i32> {
    // SAFETY: the caller's consumer outlives this call; the metadata is ours.
    unsafe {
        let metadata = c::rd_kafka_consumer_group_metadata(consumer);
        let metadata = Owned::new(metadata, c::rd_kafka_consumer_group_metadata_destroy)?;
        let generation = c::rd_kafka_consumer_group_metadata_generation_id(metadata.raw());
        (generation >= 0).then_some(generation)
    }
}

/// Writes into each element of the list the offset behind all that the consumer has handed out or passed over since it
/// was placed last; none where nothing came since. It asks nobody.
pub(super) fn places(consumer: *mut c::rd_kafka_t, list: &TopicPartitionList) {
    // SAFETY: consumer and list outlive the call, which only reads the one and fills the other.
    unsafe { c::rd_kafka_position(consumer, list.ptr()) };
}

/// What this user may do with a topic; an error in librdkafka's words if the brokers do not say.
pub(super) fn operations(
    client: *mut c::rd_kafka_t,
    topic: &str,
    patience: Duration,
) -> Result<Vec<Operation>, String> {
    described(client, topic, patience, |description| {
        let mut count = 0;
        // SAFETY: the description is alive, and so are its operations, of which there are as many as it says.
        unsafe {
            let operations = c::rd_kafka_TopicDescription_authorized_operations(description, &raw mut count);
            (0..count).filter_map(|index| operation(*operations.add(index))).collect()
        }
    })
}

/// The id that the cluster gave the topic when it was made; `None` from brokers that give none.
pub(super) fn topic_id(client: *mut c::rd_kafka_t, topic: &str, patience: Duration) -> Result<Option<String>, String> {
    described(client, topic, patience, |description| {
        // SAFETY: the description is alive, and so are its id and the text of that.
        let id = unsafe {
            let id = NonNull::new(c::rd_kafka_TopicDescription_topic_id(description).cast_mut());
            id.map(|id| text(c::rd_kafka_Uuid_base64str(id.as_ptr())))
        };
        id.filter(|id| !id.is_empty() && id != NO_ID)
    })
}

/// What `read` finds in the brokers' description of a topic, which is alive while it reads.
fn described<T>(
    client: *mut c::rd_kafka_t,
    topic: &str,
    patience: Duration,
    read: impl FnOnce(*const c::rd_kafka_TopicDescription_t) -> T,
) -> Result<T, String> {
    let name = owned(topic)?;
    let mut names = [name.as_ptr()];
    // SAFETY: `names` and the client outlive the calls; the rest is ours until the end of the function, and what is
    // found belongs to the event.
    unsafe {
        let topics = c::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), names.len());
        let topics = Owned::new(topics, c::rd_kafka_TopicCollection_destroy).ok_or("no topic collection")?;
        let options = options(client, c::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, patience)?;
        let refused = c::rd_kafka_AdminOptions_set_include_authorized_operations(options.raw(), 1);
        drop(Owned::new(refused, c::rd_kafka_error_destroy));
        let event = answer(client, patience, |queue| {
            c::rd_kafka_DescribeTopics(client, topics.raw(), options.raw(), queue);
        })?;
        let result = c::rd_kafka_event_DescribeTopics_result(event.raw());
        let mut count = 0;
        let found = c::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        if count == 0 {
            return Err("the brokers do not describe the topic".to_owned());
        }
        fault(c::rd_kafka_TopicDescription_error(*found))?;
        Ok(read(*found))
    }
}

/// Makes a topic, and waits for the controller to have done so; one that is there already stays as it is.
pub(super) fn create(client: *mut c::rd_kafka_t, plan: &Plan, patience: Duration) -> Result<(), String> {
    let topic = new_topic(plan)?;
    let mut each = [topic.raw()];
    // SAFETY: the topic and the client outlive the calls; the rest is ours until the end of the function.
    unsafe {
        let options = options(client, c::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_CREATETOPICS, patience)?;
        let waits = milliseconds(patience);
        c::rd_kafka_AdminOptions_set_operation_timeout(options.raw(), waits, ptr::null_mut(), 0);
        let event = answer(client, patience, |queue| {
            c::rd_kafka_CreateTopics(client, each.as_mut_ptr(), each.len(), options.raw(), queue);
        })?;
        let result = c::rd_kafka_event_CreateTopics_result(event.raw());
        let mut count = 0;
        let results = c::rd_kafka_CreateTopics_result_topics(result, &raw mut count);
        (0..count).try_for_each(|index| match c::rd_kafka_topic_result_error(*results.add(index)) {
            Code::RD_KAFKA_RESP_ERR_NO_ERROR | Code::RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS => Ok(()),
            _ => Err(text(c::rd_kafka_topic_result_error_string(*results.add(index)))),
        })
    }
}

fn new_topic(plan: &Plan) -> Result<Owned<c::rd_kafka_NewTopic_t>, String> {
    let name = owned(&plan.name)?;
    let partitions = c_int::try_from(plan.partitions).map_err(|error| error.to_string())?;
    let replication = c_int::try_from(plan.replication).map_err(|error| error.to_string())?;
    let mut message: [c_char; MESSAGE_BYTES_MAX] = [0; MESSAGE_BYTES_MAX];
    // SAFETY: all strings outlive the calls, which copy them; the buffer has the length that is told.
    unsafe {
        let made =
            c::rd_kafka_NewTopic_new(name.as_ptr(), partitions, replication, message.as_mut_ptr(), message.len());
        let topic = Owned::new(made, c::rd_kafka_NewTopic_destroy).ok_or_else(|| text(message.as_ptr()))?;
        for (key, value) in &plan.settings {
            c::rd_kafka_NewTopic_set_config(topic.raw(), owned(key)?.as_ptr(), owned(value)?.as_ptr());
        }
        Ok(topic)
    }
}

/// The settings of a topic, by Kafka's names; those without a value are left out.
pub(super) fn settings(
    client: *mut c::rd_kafka_t,
    topic: &str,
    patience: Duration,
) -> Result<Vec<(String, String)>, String> {
    let name = owned(topic)?;
    // SAFETY: name and client outlive the calls; the rest is ours until the end of the function.
    unsafe {
        let resource =
            c::rd_kafka_ConfigResource_new(c::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC, name.as_ptr());
        let resource = Owned::new(resource, c::rd_kafka_ConfigResource_destroy).ok_or("no resource")?;
        let mut each = [resource.raw()];
        let options = options(client, c::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, patience)?;
        let event = answer(client, patience, |queue| {
            c::rd_kafka_DescribeConfigs(client, each.as_mut_ptr(), each.len(), options.raw(), queue);
        })?;
        let result = c::rd_kafka_event_DescribeConfigs_result(event.raw());
        let mut count = 0;
        let found = c::rd_kafka_DescribeConfigs_result_resources(result, &raw mut count);
        if count == 0 {
            return Err("the brokers do not describe the topic".to_owned());
        }
        if c::rd_kafka_ConfigResource_error(*found) != Code::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Err(text(c::rd_kafka_ConfigResource_error_string(*found)));
        }
        let entries = c::rd_kafka_ConfigResource_configs(*found, &raw mut count);
        let setting = |index| {
            let entry = *entries.add(index);
            let value = NonNull::new(c::rd_kafka_ConfigEntry_value(entry).cast_mut())?;
            Some((text(c::rd_kafka_ConfigEntry_name(entry)), text(value.as_ptr())))
        };
        Ok((0..count).filter_map(setting).collect())
    }
}

/// Gives the rights; those that are given already stay as they are.
pub(super) fn grant(client: *mut c::rd_kafka_t, grants: &[Grant], patience: Duration) -> Result<(), String> {
    let bindings: Vec<_> = grants.iter().map(binding).collect::<Result<_, _>>()?;
    let mut each: Vec<_> = bindings.iter().map(Owned::raw).collect();
    // SAFETY: bindings and client outlive the calls; the rest is ours until the end of the function.
    unsafe {
        let options = options(client, c::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_CREATEACLS, patience)?;
        let event = answer(client, patience, |queue| {
            c::rd_kafka_CreateAcls(client, each.as_mut_ptr(), each.len(), options.raw(), queue);
        })?;
        let result = c::rd_kafka_event_CreateAcls_result(event.raw());
        let mut count = 0;
        let results = c::rd_kafka_CreateAcls_result_acls(result, &raw mut count);
        (0..count).try_for_each(|index| fault(c::rd_kafka_acl_result_error(*results.add(index))))
    }
}

/// # Safety
/// `client` must be alive.
unsafe fn options(
    client: *mut c::rd_kafka_t,
    operation: c::rd_kafka_admin_op_t,
    patience: Duration,
) -> Result<Owned<c::rd_kafka_AdminOptions_t>, String> {
    // SAFETY: the client is alive; the options are ours; no message buffer is given, so none is written.
    unsafe {
        let made = c::rd_kafka_AdminOptions_new(client, operation);
        let made = Owned::new(made, c::rd_kafka_AdminOptions_destroy).ok_or("no admin options")?;
        c::rd_kafka_AdminOptions_set_request_timeout(made.raw(), milliseconds(patience), ptr::null_mut(), 0);
        Ok(made)
    }
}

/// Asks by `ask`, and waits for the one event that answers.
///
/// # Safety
/// `client` must be alive.
unsafe fn answer(
    client: *mut c::rd_kafka_t,
    patience: Duration,
    ask: impl FnOnce(*mut c::rd_kafka_queue_t),
) -> Result<Owned<c::rd_kafka_event_t>, String> {
    // SAFETY: the client is alive; queue and event are ours.
    unsafe {
        let queue = Owned::new(c::rd_kafka_queue_new(client), c::rd_kafka_queue_destroy).ok_or("no queue")?;
        ask(queue.raw());
        let event = c::rd_kafka_queue_poll(queue.raw(), milliseconds(patience.saturating_mul(2)));
        let event = Owned::new(event, c::rd_kafka_event_destroy).ok_or("the brokers have not answered")?;
        if c::rd_kafka_event_error(event.raw()) == Code::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Ok(event);
        }
        Err(text(c::rd_kafka_event_error_string(event.raw())))
    }
}

/// # Safety
/// `error` must be null or alive.
unsafe fn fault(error: *const c::rd_kafka_error_t) -> Result<(), String> {
    // SAFETY: checked for null; its string lives as long as it does.
    unsafe {
        if error.is_null() || c::rd_kafka_error_code(error) == Code::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Ok(());
        }
        Err(text(c::rd_kafka_error_string(error)))
    }
}

fn binding(grant: &Grant) -> Result<Owned<c::rd_kafka_AclBinding_t>, String> {
    use c::{rd_kafka_ResourcePatternType_t as Pattern, rd_kafka_ResourceType_t as Type};
    let (kind, name, pattern) = match &grant.resource {
        Resource::Topic(name) => (Type::RD_KAFKA_RESOURCE_TOPIC, name, Pattern::RD_KAFKA_RESOURCE_PATTERN_LITERAL),
        Resource::Group(name) => (Type::RD_KAFKA_RESOURCE_GROUP, name, Pattern::RD_KAFKA_RESOURCE_PATTERN_LITERAL),
        Resource::Groups(name) => (Type::RD_KAFKA_RESOURCE_GROUP, name, Pattern::RD_KAFKA_RESOURCE_PATTERN_PREFIXED),
        Resource::Transactions(name) => {
            (Type::RD_KAFKA_RESOURCE_TRANSACTIONAL_ID, name, Pattern::RD_KAFKA_RESOURCE_PATTERN_PREFIXED)
        }
    };
    let (name, principal, host) = (owned(name)?, owned(&grant.principal)?, owned("*")?);
    let mut message: [c_char; MESSAGE_BYTES_MAX] = [0; MESSAGE_BYTES_MAX];
    // SAFETY: all strings outlive the call, which copies them; the buffer has the length that is told.
    unsafe {
        let made = c::rd_kafka_AclBinding_new(
            kind,
            name.as_ptr(),
            pattern,
            principal.as_ptr(),
            host.as_ptr(),
            acl_operation(grant.operation),
            c::rd_kafka_AclPermissionType_t::RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW,
            message.as_mut_ptr(),
            message.len(),
        );
        Owned::new(made, c::rd_kafka_AclBinding_destroy).ok_or_else(|| text(message.as_ptr()))
    }
}

fn owned(text: &str) -> Result<CString, String> {
    CString::new(text).map_err(|error| error.to_string())
}

fn acl_operation(operation: Operation) -> c::rd_kafka_AclOperation_t {
    match operation {
        Operation::Read => c::rd_kafka_AclOperation_t::RD_KAFKA_ACL_OPERATION_READ,
        Operation::Write => c::rd_kafka_AclOperation_t::RD_KAFKA_ACL_OPERATION_WRITE,
        Operation::Describe => c::rd_kafka_AclOperation_t::RD_KAFKA_ACL_OPERATION_DESCRIBE,
    }
}

fn operation(of: c::rd_kafka_AclOperation_t) -> Option<Operation> {
    match of {
        c::rd_kafka_AclOperation_t::RD_KAFKA_ACL_OPERATION_READ => Some(Operation::Read),
        c::rd_kafka_AclOperation_t::RD_KAFKA_ACL_OPERATION_WRITE => Some(Operation::Write),
        c::rd_kafka_AclOperation_t::RD_KAFKA_ACL_OPERATION_DESCRIBE => Some(Operation::Describe),
        _ => None,
    }
}

fn milliseconds(patience: Duration) -> i32 {
    i32::try_from(patience.as_millis()).unwrap_or(i32::MAX)
}

/// # Safety
/// `from` must be null or a string that ends with a zero.
unsafe fn text(from: *const c_char) -> String {
    if from.is_null() {
        return "an error without words".to_owned();
    }
    // SAFETY: as above.
    unsafe { CStr::from_ptr(from) }.to_string_lossy().into_owned()
}
