//! A topic's id, which tells a topic from another one that was made under its name later.
//!
//! librdkafka can ask for it, rust-rdkafka 0.39 does not pass the question on; so this file speaks to the C interface.

use rdkafka::client::{Client, ClientContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka_sys as native;
use std::ffi::{CStr, CString};
use std::time::Duration;

/// What a broker says about a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicDescription {
    /// Given at creation, in base 64.
    pub id: String,
    /// Number of partitions.
    pub partitions: usize,
}

/// Asks a broker; `None` if it knows no such topic.
///
/// # Errors
/// If no broker answers within `timeout`, or the question is not allowed.
pub fn topic<C: ClientContext>(
    client: &Client<C>,
    name: &str,
    timeout: Duration,
) -> KafkaResult<Option<TopicDescription>> {
    let name = CString::new(name).map_err(KafkaError::Nul)?;
    let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: `client` keeps the native client alive; every object made here is destroyed here, after its last use,
    // by a guard; the answer is copied before its event is destroyed.
    unsafe {
        let queue = Guard(native::rd_kafka_queue_new(client.native_ptr()), native::rd_kafka_queue_destroy);
        let mut names = [name.as_ptr()];
        let topics = Guard(
            native::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), names.len()),
            native::rd_kafka_TopicCollection_destroy,
        );
        let options = Guard(
            native::rd_kafka_AdminOptions_new(
                client.native_ptr(),
                native::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS,
            ),
            native::rd_kafka_AdminOptions_destroy,
        );
        native::rd_kafka_AdminOptions_set_request_timeout(options.0, timeout_ms, std::ptr::null_mut(), 0);
        native::rd_kafka_DescribeTopics(client.native_ptr(), topics.0, options.0, queue.0);
        // The client gives up at its own timeout and then puts an error into the queue; a little later is late enough.
        let event = native::rd_kafka_queue_poll(queue.0, timeout_ms.saturating_add(1000));
        if event.is_null() {
            return Err(KafkaError::MetadataFetch(RDKafkaErrorCode::OperationTimedOut));
        }
        let event = Guard(event, native::rd_kafka_event_destroy);
        read(event.0)
    }
}

/// # Safety
/// `event` must be the live answer to `DescribeTopics` of one topic.
unsafe fn read(event: *mut native::rd_kafka_event_t) -> KafkaResult<Option<TopicDescription>> {
    // SAFETY: as the caller promises; all pointers belong to the event, and their values are copied here.
    unsafe {
        check(native::rd_kafka_event_error(event))?;
        let answer = native::rd_kafka_event_DescribeTopics_result(event);
        let mut count = 0;
        let topics = native::rd_kafka_DescribeTopics_result_topics(answer, &mut count);
        if count == 0 {
            return Ok(None);
        }
        let topic = *topics;
        match check(native::rd_kafka_error_code(native::rd_kafka_TopicDescription_error(topic))) {
            Ok(()) => {}
            Err(KafkaError::MetadataFetch(
                RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic,
            )) => return Ok(None),
            Err(error) => return Err(error),
        }
        let id = native::rd_kafka_Uuid_base64str(native::rd_kafka_TopicDescription_topic_id(topic));
        let mut partitions = 0;
        native::rd_kafka_TopicDescription_partitions(topic, &mut partitions);
        Ok(Some(TopicDescription { id: CStr::from_ptr(id).to_string_lossy().into_owned(), partitions }))
    }
}

fn check(code: native::rd_kafka_resp_err_t) -> KafkaResult<()> {
    match code {
        native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
        code => Err(KafkaError::MetadataFetch(code.into())),
    }
}

/// Destroys a native object at the end of its scope.
struct Guard<T>(*mut T, unsafe extern "C" fn(*mut T));

impl<T> Drop for Guard<T> {
    fn drop(&mut self) {
        // SAFETY: the object was made by librdkafka, belongs to the guard alone, and is not used after this.
        unsafe { (self.1)(self.0) }
    }
}
